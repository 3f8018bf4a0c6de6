/* The self-test of a bundle without Python, on OpenVINO's C interface:
 *     selftest golden.bin student.fp32.onnx fp32 RGB 127.5 127.5
 * Exit status 0: the answers are right; 3: they are not, and the fault is printed; 2: no answer. */
#include "golden.h"

#include <openvino/c/openvino.h>

static int failed(const char *what)
{
    fprintf(stderr, "selftest: %s: %s\n", what, ov_get_last_err_msg());
    return 2;
}

/* 1 where all of the word is a finite number. */
static int number(const char *word, float *value)
{
    char *end;
    *value = strtof(word, &end);
    return end != word && !*end && isfinite(*value);
}

/* One face as the network wants it: planes, in this order of colours, mean and scale taken off. */
static void prepare(const golden_t *golden, const unsigned char *face, int bgr, float mean,
                    float std, float *planes)
{
    size_t pixels = (size_t)golden->size * golden->size;
    for (size_t colour = 0; colour < 3; colour++)
        for (size_t i = 0; i < pixels; i++)
            planes[colour * pixels + i] = (face[3 * i + (bgr ? 2 - colour : colour)] - mean) / std;
}

static int embed(ov_infer_request_t *request, const golden_t *golden, float *planes, float *row)
{
    int64_t sizes[4] = {1, 3, golden->size, golden->size};
    ov_shape_t shape;
    ov_tensor_t *input, *output;
    size_t count;
    void *found;
    if (ov_shape_create(4, sizes, &shape) || ov_tensor_create_from_host_ptr(F32, shape, planes, &input)
        || ov_infer_request_set_input_tensor(request, input) || ov_infer_request_infer(request)
        || ov_infer_request_get_output_tensor(request, &output)
        || ov_tensor_get_size(output, &count) || ov_tensor_data(output, &found))
        return failed("the network cannot be run");
    if (count != golden->dim) {
        printf("FAIL  wrong-output: %zu numbers, not %u\n", count, (unsigned)golden->dim);
        return 3;
    }
    memcpy(row, found, count * sizeof *row);
    ov_tensor_free(input);
    ov_tensor_free(output);
    ov_shape_free(&shape);
    return 0;
}

static int told(const char *artifact, const char *fault, double cosine)
{
    if (!fault) {
        fprintf(stderr, "selftest: the golden file knows no artifact %s\n", artifact);
        return 2;
    }
    printf("%s  %s, cosine %.5f%s%s\n", *fault ? "FAIL" : "pass", artifact, cosine,
           *fault ? ": " : "", fault);
    return *fault ? 3 : 0;
}

int main(int count, char **words)
{
    golden_t golden;
    ov_core_t *core;
    ov_model_t *model;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    double cosine = 0;
    float mean, std;
    if (count != 7) {
        fprintf(stderr, "usage: selftest GOLDEN MODEL ARTIFACT RGB|BGR MEAN STD\n");
        return 2;
    }
    if (!number(words[5], &mean) || !number(words[6], &std) || std == 0
        || (strcmp(words[4], "RGB") && strcmp(words[4], "BGR"))) {
        fprintf(stderr, "selftest: say RGB or BGR, then mean and std as numbers, std not 0\n");
        return 2;
    }
    if (golden_read(words[1], &golden)) {
        fprintf(stderr, "selftest: %s holds no golden vectors\n", words[1]);
        return 2;
    }
    /* left alone, OpenVINO computes in bfloat16 where the processor can */
    if (ov_core_create(&core) || ov_core_read_model(core, words[2], NULL, &model)
        || ov_core_compile_model(core, model, "CPU", 2, &compiled, "INFERENCE_PRECISION_HINT", "f32")
        || ov_compiled_model_create_infer_request(compiled, &request))
        return failed("the model cannot be loaded");
    float *planes = malloc(3 * (size_t)golden.size * golden.size * sizeof *planes);
    float *rows = malloc((size_t)golden.faces * golden.dim * sizeof *rows);
    if (!planes || !rows)
        return failed("no memory");
    for (uint32_t face = 0; face < golden.faces; face++) {
        const unsigned char *pixels = golden_face(&golden, face);
        if (!pixels)
            return failed("the golden file is cut short");
        prepare(&golden, pixels, !strcmp(words[4], "BGR"), mean, std, planes);
        int status = embed(request, &golden, planes, rows + (size_t)face * golden.dim);
        if (status)
            return status;
    }
    const char *fault = golden_fault(&golden, words[3], rows, &cosine);
    return told(words[3], fault, cosine);
}
