/* Reads golden.bin (docs/reference/selftest.md) and names what is wrong with a network's answers.
 * C99 and its library only: whichever runtime answers is somebody else's business. Little-endian. */
#ifndef EMBEDGE_GOLDEN_H
#define EMBEDGE_GOLDEN_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_HEAD = 32, GOLDEN_TABLE = 72, GOLDEN_NAME = 64 };

typedef struct {
    unsigned char *data; /* the whole file, owned */
    size_t bytes;
    uint32_t size, faces, dim, tables;
} golden_t;

typedef struct {
    char name[GOLDEN_NAME + 1];
    float number; /* the least cosine that is right, or the step of a fault's rows */
    uint32_t kind;
    const unsigned char *rows;
} golden_table_t;

/* RGB bytes of one face, size x size x 3; NULL where the file ends before. */
static const unsigned char *golden_face(const golden_t *golden, uint32_t face)
{
    size_t bytes = (size_t)golden->size * golden->size * 3;
    size_t start = GOLDEN_HEAD + face * bytes;
    return start + bytes <= golden->bytes ? golden->data + start : NULL;
}

/* The table that begins at *place, which moves behind it: 1, or 0 at the end or where it is cut. */
static int golden_next(const golden_t *golden, size_t *place, golden_table_t *table)
{
    size_t rows = (size_t)golden->faces * golden->dim;
    const unsigned char *head = golden->data + *place;
    if (*place + GOLDEN_TABLE > golden->bytes)
        return 0;
    memcpy(table->name, head, GOLDEN_NAME);
    table->name[GOLDEN_NAME] = '\0';
    memcpy(&table->number, head + 64, 4);
    memcpy(&table->kind, head + 68, 4);
    table->rows = head + GOLDEN_TABLE;
    *place += GOLDEN_TABLE + (table->kind == 0 ? 8 * rows : rows);
    return table->kind <= 1 && *place <= golden->bytes;
}

static size_t golden_tables(const golden_t *golden)
{
    return GOLDEN_HEAD + (size_t)golden->faces * (golden->size * golden->size * 3 + 40);
}

/* Whether its numbers can be right: rows that are none, or no least cosine, would pass anything. */
static int golden_sane(const golden_t *golden, const golden_table_t *table)
{
    size_t rows = table->kind == 0 ? 2 * (size_t)golden->faces * golden->dim : 0;
    for (size_t place = 0; place < rows; place++) {
        float number;
        memcpy(&number, table->rows + 4 * place, 4);
        if (!isfinite(number))
            return 0;
    }
    return table->number <= 1 && (table->kind == 0 ? table->number > 0 : table->number >= -1);
}

/* Whether its tables are as many as it says and end where the file does. */
static int golden_whole(const golden_t *golden)
{
    golden_table_t table;
    size_t place = golden_tables(golden);
    uint32_t found = 0;
    while (found < golden->tables && golden_next(golden, &place, &table)
           && golden_sane(golden, &table))
        found++;
    return found > 0 && found == golden->tables && place == golden->bytes;
}

/* 0, or -1 where the file is none of this format or is not whole. */
static int golden_read(const char *path, golden_t *golden)
{
    FILE *file = fopen(path, "rb");
    long bytes = -1;
    memset(golden, 0, sizeof *golden);
    if (!file)
        return -1;
    if (fseek(file, 0, SEEK_END) == 0 && (bytes = ftell(file)) >= GOLDEN_HEAD && bytes < 1L << 26) {
        rewind(file);
        golden->data = malloc((size_t)bytes);
        golden->bytes = golden->data ? fread(golden->data, 1, (size_t)bytes, file) : 0;
    }
    fclose(file);
    if (!golden->data || golden->bytes != (size_t)bytes
        || memcmp(golden->data, "embedge.golden/1", 16) != 0)
        return -1;
    memcpy(&golden->size, golden->data + 16, 4);
    memcpy(&golden->faces, golden->data + 20, 4);
    memcpy(&golden->dim, golden->data + 24, 4);
    memcpy(&golden->tables, golden->data + 28, 4);
    if (!golden->size || golden->size > 1024 || !golden->faces || golden->faces > 64)
        return -1;
    return golden->dim && golden->dim <= 16384 && golden_whole(golden) ? 0 : -1;
}

static double golden_value(const golden_table_t *table, size_t place)
{
    float number;
    if (table->kind == 1)
        return (double)((const signed char *)table->rows)[place] * table->number;
    memcpy(&number, table->rows + 4 * place, 4);
    return number;
}

/* How far rows of length one are from a table's, all together; *least is the lowest cosine. */
static double golden_distance(const golden_t *golden, const golden_table_t *table,
                              const float *answers, double *least)
{
    double square = 0;
    *least = 1;
    for (uint32_t face = 0; face < golden->faces; face++) {
        double dot = 0;
        for (uint32_t i = 0; i < golden->dim; i++) {
            size_t place = (size_t)face * golden->dim + i;
            double right = golden_value(table, place);
            square += (answers[place] - right) * (answers[place] - right);
            dot += answers[place] * right;
        }
        *least = dot < *least ? dot : *least;
    }
    return sqrt(square);
}

/* Whether answers within the tolerance are moved as a fault moves those of the first artifact: by
 * half to twice of that, five times farther than in directions that no fault knows, and with little
 * left. How many times farther, or 0. */
static double golden_hidden(const golden_t *golden, const golden_table_t *first,
                            const golden_table_t *ill, const golden_table_t *right,
                            const float *answers)
{
    size_t count = (size_t)golden->faces * golden->dim;
    double both = 0, known = 0, all = 0;
    for (size_t place = 0; place < count; place++) {
        double move = golden_value(ill, place) - golden_value(first, place);
        double moved = answers[place] - golden_value(right, place);
        both += moved * move;
        known += move * move;
        all += moved * moved;
    }
    double share = known > 0 ? both / known : 0;
    double rest = fmax(all - share * both, 0);
    double sigmas = share * sqrt(known) / fmax(sqrt(rest / (double)count), 1e-12);
    int little = rest / golden->faces / 2 <= 0.35 * (1 - right->number);
    return little && share >= 0.5 && share <= 2 && sigmas > 5 ? sigmas : 0;
}

/* 0 where a row has no direction: it is zero, or not made of numbers. */
static int golden_unit_rows(const golden_t *golden, float *answers)
{
    for (uint32_t face = 0; face < golden->faces; face++) {
        float *row = answers + (size_t)face * golden->dim;
        double square = 0;
        for (uint32_t i = 0; i < golden->dim; i++)
            square += (double)row[i] * row[i];
        if (!(square >= 1e-12 && square < HUGE_VAL))
            return 0;
        for (uint32_t i = 0; i < golden->dim; i++)
            row[i] = (float)(row[i] / sqrt(square));
    }
    return 1;
}

/* Turns `answers` (faces x dim) into rows of length one and names what is wrong with them:
 * "" where nothing is, "unknown" where no fault explains it, NULL where the artifact is not known.
 * The faults are those of the artifact, or of the first one where it has none of its own. */
static const char *golden_fault(const golden_t *golden, const char *artifact, float *answers,
                                double *cosine)
{
    static char best[GOLDEN_NAME + 1], hidden[GOLDEN_NAME + 1];
    double wrong = -1, least = HUGE_VAL, most = 0, ignored, nearest = 0;
    golden_table_t table, first = {0}, right = {0};
    size_t place;
    int directed = golden_unit_rows(golden, answers);
    best[0] = hidden[0] = '\0';
    for (place = golden_tables(golden); golden_next(golden, &place, &table);) {
        if (table.kind == 0 && !first.rows)
            first = table;
        if (table.kind == 0 && strcmp(table.name, artifact) == 0) {
            right = table;
            if (!directed) {
                *cosine = 0;
                return "collapse";
            }
            wrong = golden_distance(golden, &table, answers, cosine);
            nearest = table.number;
        }
    }
    if (wrong < 0)
        return NULL;
    for (place = golden_tables(golden); golden_next(golden, &place, &table);) {
        char *fault = strchr(table.name, '|');
        if (table.kind != 1 || !fault)
            continue;
        *fault++ = '\0';
        if (strcmp(table.name, artifact) && strcmp(table.name, first.name))
            continue;
        double sigmas = golden_hidden(golden, &first, &table, &right, answers);
        if (sigmas > most && strcmp(table.name, first.name) == 0) {
            most = sigmas;
            strcpy(hidden, fault);
        }
        double distance = golden_distance(golden, &table, answers, &ignored);
        if (distance < least) {
            least = distance;
            strcpy(best, fault);
        }
    }
    if (wrong > 1e-6 && least < 0.7 * wrong)
        return best;
    return *cosine >= nearest ? hidden : "unknown";
}

#endif
