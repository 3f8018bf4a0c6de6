// Batch norm with its activation, and 3x3 depthwise filters, forwards and backwards on CPUs.
// Pictures lie channels-last: a map is `rows` places of `width` channels. Maps are float or
// bfloat16; every sum is made in float over a few hundred places and in double beyond them.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct bf16 {
    uint16_t bits;
};

inline float wide(float value) { return value; }

inline float wide(bf16 value) {
    uint32_t bits = uint32_t(value.bits) << 16;
    float out;
    std::memcpy(&out, &bits, 4);
    return out;
}

inline void put(float *at, float value) { *at = value; }

inline void put(bf16 *at, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    at->bits = uint16_t(value == value ? rounded : 0x7fc0);
}

constexpr long BLOCK = 256;  // places that are summed in float
constexpr int LANES = 16;
typedef float Lane __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

inline Lane read(const float *at) {
    Lane out;
    std::memcpy(&out, at, sizeof out);
    return out;
}

inline Lane read(const bf16 *at) {
    Halves halves;
    std::memcpy(&halves, at, sizeof halves);
    return (Lane)(__builtin_convertvector(halves, Bits) << 16);
}

inline void write(float *at, Lane value) { std::memcpy(at, &value, sizeof value); }

inline void write(bf16 *at, Lane value) {
    Bits bits = (Bits)value, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    Bits sane = value == value ? rounded : Bits{} + 0x7fc0;
    Halves halves = __builtin_convertvector(sane, Halves);
    std::memcpy(at, &halves, sizeof halves);
}

inline void add(double *total, Lane value) {
    for (int lane = 0; lane < LANES; lane++) total[lane] += value[lane];
}

// Calls each(block, sums) over blocks of rows; `sums` are `count` floats that start at zero and are
// added to `total`, thread after thread, so that the same threads give the same bits.
template <class Each> void summed(long rows, long count, int threads, double *total, Each each) {
    long blocks = (rows + BLOCK - 1) / BLOCK;
    std::vector<double> parts(size_t(count) * threads, 0.0);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++) {
        std::vector<float> sums(count);
        double *mine = parts.data() + size_t(count) * thread;
        for (long b = blocks * thread / threads; b < blocks * (thread + 1) / threads; b++) {
            std::memset(sums.data(), 0, count * sizeof(float));
            long first = b * BLOCK, last = first + BLOCK < rows ? first + BLOCK : rows;
            each(first, last, sums.data());
            for (long i = 0; i < count; i++) mine[i] += sums[i];
        }
    }
    std::memset(total, 0, count * sizeof(double));
    for (int thread = 0; thread < threads; thread++)
        for (long i = 0; i < count; i++) total[i] += parts[size_t(count) * thread + i];
}

// total: sums of x - shift, then of its squares.
template <class T>
void moments(const T *x, const float *shift, long rows, long width, int threads, double *total) {
    summed(rows, 2 * width, threads, total, [=](long first, long last, float *__restrict sums) {
        float *__restrict squares = sums + width;
        for (long r = first; r < last; r++) {
            const T *__restrict row = x + r * width;
            for (long c = 0; c < width; c++) {
                float value = wide(row[c]) - shift[c];
                sums[c] += value;
                squares[c] += value * value;
            }
        }
    });
}

// y = act(x * scale + bias) + more; without slope there is no activation.
template <class T>
void normed(const T *x, const T *more, const float *scale, const float *bias, const float *slope,
            long rows, long width, int threads, T *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long r = 0; r < rows; r++) {
        const T *__restrict in = x + r * width;
        T *__restrict out = y + r * width;
        if (slope)
            for (long c = 0; c < width; c++) {
                float value = wide(in[c]) * scale[c] + bias[c];
                put(out + c, value > 0 ? value : value * slope[c]);
            }
        else if (more)
            for (long c = 0; c < width; c++)
                put(out + c, wide(in[c]) * scale[c] + bias[c] + wide(more[r * width + c]));
        else
            for (long c = 0; c < width; c++) put(out + c, wide(in[c]) * scale[c] + bias[c]);
    }
}

// total: sums of g, of g * (x - mean), and of dy * min(z, 0); g is dy behind the activation.
template <class T>
void pulled(const T *dy, const T *x, const float *mean, const float *scale, const float *bias,
            const float *slope, long rows, long width, int threads, double *total) {
    summed(rows, 3 * width, threads, total, [=](long first, long last, float *__restrict sums) {
        float *__restrict dots = sums + width, *__restrict slopes = sums + 2 * width;
        for (long r = first; r < last; r++) {
            const T *__restrict d = dy + r * width, *__restrict in = x + r * width;
            if (slope)
                for (long c = 0; c < width; c++) {
                    float value = wide(in[c]), z = value * scale[c] + bias[c], g = wide(d[c]);
                    slopes[c] += g * (z > 0 ? 0.0f : z);
                    g = z > 0 ? g : g * slope[c];
                    sums[c] += g;
                    dots[c] += g * (value - mean[c]);
                }
            else
                for (long c = 0; c < width; c++) {
                    sums[c] += wide(d[c]);
                    dots[c] += wide(d[c]) * (wide(in[c]) - mean[c]);
                }
        }
    });
}

// dx = scale * g + x * along + level; dx may lie where dy does.
template <class T>
void pushed(const T *dy, const T *x, const float *scale, const float *bias, const float *slope,
            const float *along, const float *level, long rows, long width, int threads, T *dx) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long r = 0; r < rows; r++) {
        const T *d = dy + r * width, *in = x + r * width;
        T *out = dx + r * width;
        if (slope)
#pragma GCC ivdep
            for (long c = 0; c < width; c++) {
                float value = wide(in[c]), z = value * scale[c] + bias[c], g = wide(d[c]);
                g = z > 0 ? g : g * slope[c];
                put(out + c, scale[c] * g + value * along[c] + level[c]);
            }
        else
#pragma GCC ivdep
            for (long c = 0; c < width; c++)
                put(out + c, scale[c] * wide(d[c]) + wide(in[c]) * along[c] + level[c]);
    }
}

// What stands before the filters: a norm with its activation, a slope a channel.
struct Before {
    const float *mean, *scale, *bias, *slope;
};

struct Filter {
    long count, height, side, width, stride;
    long out_height() const { return (height - 1) / stride + 1; }
    long out_side() const { return (side - 1) / stride + 1; }
    long size() const { return height * side * width; }
    long out_size() const { return out_height() * out_side() * width; }
};

// Three rows of a picture in float, lanes outermost, with a zero place on both sides.
struct Rows {
    Filter f;
    long places;
    std::vector<float> kept;
    explicit Rows(Filter f) : f(f), places(f.side + 2), kept(3 * places * f.width) {}
    float *at(long row, long channel) {
        return kept.data() + (((row + 3) % 3) * f.width + channel) * places;
    }
    bool inside(long row) const { return row >= 0 && row < f.height; }
    void clear(long row) { std::memset(at(row, 0), 0, places * f.width * sizeof(float)); }
};

// Row `row` of the picture behind norm and activation.
template <class T> void fill(Rows &rows, const T *picture, long row, Before b) {
    if (!rows.inside(row)) return rows.clear(row);
    long side = rows.f.side, width = rows.f.width;
    const T *in = picture + row * side * width;
    for (long c = 0; c < width; c += LANES) {
        float *out = rows.at(row, c) + LANES;
        Lane scale = read(b.scale + c), bias = read(b.bias + c), slope = read(b.slope + c);
        for (long p = 0; p < side; p++) {
            Lane z = read(in + p * width + c) * scale + bias;
            write(out + p * LANES, z > 0 ? z : z * slope);
        }
    }
}

// Row `row` of the gradient before the activation, and what the norm's gradient sums over it.
template <class T>
void emit(Rows &back, const T *picture, T *made, long row, Before b, double *total) {
    if (!back.inside(row)) return;
    long side = back.f.side, width = back.f.width;
    const T *in = picture + row * side * width;
    T *out = made + row * side * width;
    for (long c = 0; c < width; c += LANES) {
        const float *given = back.at(row, c) + LANES;
        Lane scale = read(b.scale + c), bias = read(b.bias + c), slope = read(b.slope + c);
        Lane mean = read(b.mean + c), sums = {}, dots = {}, slopes = {};
        for (long p = 0; p < side; p++) {
            Lane value = read(in + p * width + c), z = value * scale + bias;
            Lane d = read(given + p * LANES), g = z > 0 ? d : d * slope;
            slopes += z > 0 ? Lane{} : d * z;
            sums += g;
            dots += g * (value - mean);
            write(out + p * width + c, g);
        }
        add(total + c, sums);
        add(total + width + c, dots);
        add(total + 2 * width + c, slopes);
    }
}

// Each thread's pictures by `each(picture, sums)`; the sums of all threads in `total`.
template <class Each> void shared(long pictures, long count, int threads, double *total, Each each) {
    std::vector<double> parts(size_t(count) * threads, 0.0);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++)
        for (long n = pictures * thread / threads; n < pictures * (thread + 1) / threads; n++)
            each(n, parts.data() + size_t(count) * thread);
    std::memset(total, 0, count * sizeof(double));
    for (int thread = 0; thread < threads; thread++)
        for (long i = 0; i < count; i++) total[i] += parts[size_t(count) * thread + i];
}

// y = weight * act(norm(x)), nine rows of weights. total: sums of y - shift, then of its squares.
template <class T>
void filtered(const T *x, Before b, const float *weight, const float *shift, Filter f, int threads,
              T *y, double *total) {
    long outs = f.out_height(), places = f.out_side(), step = f.stride * LANES;
    shared(f.count, 2 * f.width, threads, total, [=](long n, double *sums) {
        Rows rows(f);
        T *out = y + n * f.out_size();
        for (long r = 0, next = -1; r < outs; r++) {
            for (; next <= r * f.stride + 1; next++) fill(rows, x + n * f.size(), next, b);
            for (long c = 0; c < f.width; c += LANES) {
                Lane w[9], off = read(shift + c), sum = {}, square = {};
                const float *tops[3];
                for (int k = 0; k < 9; k++) w[k] = read(weight + k * f.width + c);
                for (int k = 0; k < 3; k++) tops[k] = rows.at(r * f.stride + k - 1, c);
                for (long p = 0; p < places; p++) {
                    Lane value = {};
#pragma GCC unroll 9
                    for (int k = 0; k < 9; k++)
                        value += w[k] * read(tops[k / 3] + p * step + (k % 3) * LANES);
                    write(out + (r * places + p) * f.width + c, value);
                    sum += value - off;
                    square += (value - off) * (value - off);
                }
                add(sums + c, sum);
                add(sums + f.width + c, square);
            }
        }
    });
}

// One row of filters: dy times the row above goes to the filters' sums, dy times the filters is added
// to the gradient of that row. What falls on later places is carried along in registers.
template <int STRIDE, class T>
void spread(const T *dy, const float *row, const float *weight, long width, long places,
            float *back, double *total) {
    Lane w0 = read(weight), w1 = read(weight + width), w2 = read(weight + 2 * width);
    Lane s0 = {}, s1 = {}, s2 = {}, next = {}, after = {};
    Lane here = read(row), right = read(row + LANES);
    for (long p = 0; p < places; p++) {
        Lane d = read(dy + p * width);
        const float *place = row + p * STRIDE * LANES;
        float *to = back + p * STRIDE * LANES;
        if (STRIDE == 2) right = read(place + LANES);
        Lane last = read(place + 2 * LANES);
        s0 += d * here;
        s1 += d * right;
        s2 += d * last;
        write(to, read(to) + next + d * w0);
        if (STRIDE == 1) {
            next = after + d * w1;
            after = d * w2;
            here = right;
            right = last;
        } else {
            write(to + LANES, read(to + LANES) + d * w1);
            next = d * w2;
            here = last;
        }
    }
    float *end = back + places * STRIDE * LANES;
    write(end, read(end) + next);
    if (STRIDE == 1) write(end + LANES, read(end + LANES) + after);
    add(total, s0);
    add(total + width, s1);
    add(total + 2 * width, s2);
}

// The gradient of norm(x), before its activation, as g. total: that of the nine rows of weights,
// then what the norm's own gradients need (see `pulled`).
template <class T>
void unfiltered(const T *dy, const T *x, Before b, const float *weight, Filter f, int threads,
                T *g, double *total) {
    long outs = f.out_height(), places = f.out_side();
    shared(f.count, 12 * f.width, threads, total, [=](long n, double *mine) {
        Rows rows(f), back(f);
        const T *picture = x + n * f.size(), *given = dy + n * f.out_size();
        T *made = g + n * f.size();
        double *norms = mine + 9 * f.width;
        long next = -1;
        for (long r = 0; r < outs; r++) {
            for (; next <= r * f.stride + 1; next++) {
                if (next > 1) emit(back, picture, made, next - 3, b, norms);
                fill(rows, picture, next, b);
                back.clear(next);
            }
            for (long c = 0; c < f.width; c += LANES)
                for (int k = 0; k < 3; k++) {
                    const float *top = rows.at(r * f.stride + k - 1, c);
                    float *there = back.at(r * f.stride + k - 1, c);
                    const float *taps = weight + 3 * k * f.width + c;
                    const T *d = given + r * places * f.width + c;
                    double *sums = mine + 3 * k * f.width + c;
                    if (f.stride == 1)
                        spread<1>(d, top, taps, f.width, places, there, sums);
                    else
                        spread<2>(d, top, taps, f.width, places, there, sums);
                }
        }
        for (long row = next - 3; row < next; row++) emit(back, picture, made, row, b, norms);
    });
}

}  // namespace

#define DOORS(T, NAME)                                                                            \
    extern "C" void moments_##NAME(const T *x, const float *shift, long rows, long width,         \
                                   int threads, double *total) {                                  \
        moments(x, shift, rows, width, threads, total);                                           \
    }                                                                                             \
    extern "C" void normed_##NAME(const T *x, const T *more, const float *scale,                  \
                                  const float *bias, const float *slope, long rows, long width,   \
                                  int threads, T *y) {                                            \
        normed(x, more, scale, bias, slope, rows, width, threads, y);                             \
    }                                                                                             \
    extern "C" void pulled_##NAME(const T *dy, const T *x, const float *mean, const float *scale, \
                                  const float *bias, const float *slope, long rows, long width,   \
                                  int threads, double *total) {                                   \
        pulled(dy, x, mean, scale, bias, slope, rows, width, threads, total);                     \
    }                                                                                             \
    extern "C" void pushed_##NAME(const T *dy, const T *x, const float *scale, const float *bias, \
                                  const float *slope, const float *along, const float *level,     \
                                  long rows, long width, int threads, T *dx) {                    \
        pushed(dy, x, scale, bias, slope, along, level, rows, width, threads, dx);                \
    }                                                                                             \
    extern "C" void filtered_##NAME(const T *x, const float *mean, const float *scale,            \
                                    const float *bias, const float *slope, const float *weight,   \
                                    const float *shift, long count, long height, long side,       \
                                    long width, long stride, int threads, T *y, double *total) {  \
        filtered(x, {mean, scale, bias, slope}, weight, shift,                                    \
                 {count, height, side, width, stride}, threads, y, total);                        \
    }                                                                                             \
    extern "C" void unfiltered_##NAME(const T *dy, const T *x, const float *mean,                 \
                                      const float *scale, const float *bias, const float *slope,  \
                                      const float *weight, long count, long height, long side,    \
                                      long width, long stride, int threads, T *g,                 \
                                      double *total) {                                            \
        unfiltered(dy, x, {mean, scale, bias, slope}, weight,                                     \
                   {count, height, side, width, stride}, threads, g, total);                      \
    }

DOORS(float, float32)
DOORS(bf16, bfloat16)
