// Sixteen lanes, through the compiler's vector types: AVX-512 in one register, AVX2 and NEON in several.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace vl2 {

constexpr int LANES = 16;

typedef float F32 __attribute__((vector_size(64)));
typedef int32_t I32 __attribute__((vector_size(64)));
typedef uint32_t U32 __attribute__((vector_size(64)));
typedef uint16_t U16 __attribute__((vector_size(32)));
typedef int8_t I8 __attribute__((vector_size(16)));

template <class V> inline V load(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class V> inline void store(void* to, V value) { std::memcpy(to, &value, sizeof value); }

inline F32 splat(float x) { return F32{} + x; }
inline float bits_to_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline uint32_t float_to_bits(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// bfloat16 is the upper half of a float; rounding is to nearest, ties to even. A NaN keeps its upper half.
inline float widen(uint16_t half) { return bits_to_float(uint32_t(half) << 16); }
inline uint16_t narrow(float value) {
    const uint32_t bits = float_to_bits(value);
    if (value != value) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline F32 widen16(const uint16_t* from) {
    return (F32)(__builtin_convertvector(load<U16>(from), U32) << 16);
}
inline U16 narrow16(F32 value) {
#if defined(__AVX512BF16__)
    return (U16)_mm512_cvtneps_pbh((__m512)value);
#else
    const U32 bits = (U32)value;
    const U32 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const I32 is_nan = value != value;
    return __builtin_convertvector((rounded & ~(U32)is_nan) | ((bits >> 16 | 0x40) & (U32)is_nan), U16);
#endif
}

// acc[lane] += w[lane][0] * a[0] + w[lane][1] * a[1] for bfloat16 pairs
inline F32 dot_pair(F32 acc, U32 w, uint32_t a) {
#if defined(__AVX512BF16__)
    return (F32)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(__m512i)w, (__m512bh)_mm512_set1_epi32(int(a)));
#else
    acc += (F32)(w << 16) * bits_to_float(a << 16);
    return acc + (F32)(w & 0xffff0000u) * bits_to_float(a & 0xffff0000u);
#endif
}

inline F32 dot_pairs(F32 acc, U32 w, U32 a) {
#if defined(__AVX512BF16__)
    return (F32)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(__m512i)w, (__m512bh)(__m512i)a);
#else
    acc += (F32)(w << 16) * (F32)(a << 16);
    return acc + (F32)(w & 0xffff0000u) * (F32)(a & 0xffff0000u);
#endif
}

// acc[lane] += the products of four unsigned bytes of w[lane] with four signed bytes of a
inline I32 dot_quad(I32 acc, I32 w, int32_t a) {
#if defined(__AVX512VNNI__)
    return (I32)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, _mm512_set1_epi32(a));
#else
    for (int byte = 0; byte < 4; byte++) acc += (w >> 8 * byte & 255) * int32_t(int8_t(a >> 8 * byte));
    return acc;
#endif
}

inline float largest(F32 x) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float most = x[0];
    for (int lane = 1; lane < LANES; lane++) most = x[lane] > most ? x[lane] : most;
    return most;
#endif
}
inline F32 absolute(F32 x) { return (F32)((U32)x & 0x7fffffffu); }

// Keep the first lanes only where a row ends inside sixteen values.
inline void store_some(float* to, F32 value, int64_t count) {
    if (count >= LANES) return store(to, value);
    for (int64_t lane = 0; lane < count; lane++) to[lane] = value[lane];
}
inline F32 load_some(const float* from, int64_t count) {
    if (count >= LANES) return load<F32>(from);
    F32 value = {};
    for (int64_t lane = 0; lane < count; lane++) value[lane] = from[lane];
    return value;
}

inline I32 to_int(I8 x) {
#if defined(__AVX512F__)
    return (I32)_mm512_cvtepi8_epi32((__m128i)x);  // the compiler would convert number by number
#else
    return __builtin_convertvector(x, I32);
#endif
}
inline F32 to_float(I32 x) { return __builtin_convertvector(x, F32); }
inline F32 select(I32 where, F32 yes, F32 no) { return (F32)((where & (I32)yes) | (~where & (I32)no)); }

inline float sum(F32 x) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)x);
#else
    float total = 0;
    for (int lane = 0; lane < LANES; lane++) total += x[lane];
    return total;
#endif
}

// The sums of eight vectors, side by side: less than half the work of one after the other.
inline void sums(const F32* x, float* to) {
#if defined(__AVX512F__)
    const auto halves = [&](int i) {
        const __m512 a = (__m512)x[i], b = (__m512)x[i + 1];
        return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    };
    const auto quarters = [&](int i) {  // lanes 4j .. 4j + 3 are left of x[i + j]
        const __m512 a = halves(i), b = halves(i + 2);
        return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    };
    const __m512 a = quarters(0), b = quarters(4);
    const __m512 pairs = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
    const F32 all = (F32)_mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0xb1));
    for (int i = 0; i < 4; i++) to[i] = all[4 * i], to[4 + i] = all[4 * i + 2];
#else
    for (int i = 0; i < 8; i++) to[i] = sum(x[i]);
#endif
}

// e^x to about 2 units in the last place: 2^n times a polynomial on half a binade. Below -87 it is 0: numbers that are
// almost nothing would slow every sum they enter.
inline F32 exp16(F32 x) {
    const I32 is_nothing = x < splat(-87.0f);
    x = select(is_nothing, F32{}, x);
    x = select(x > splat(88.0f), splat(88.0f), x);
    const F32 magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const F32 turns = (x * 1.44269504f + magic) - magic;
    const F32 rest = (x - turns * 0.693359375f) + turns * 2.12194440e-4f;  // ln 2 in two parts
    F32 value = splat(1.0f / 5040);
    value = value * rest + 1.0f / 720;
    value = value * rest + 1.0f / 120;
    value = value * rest + 1.0f / 24;
    value = value * rest + 1.0f / 6;
    value = value * rest + 0.5f;
    value = value * rest + 1.0f;
    value = value * rest + 1.0f;
    return select(is_nothing, F32{}, (F32)((I32)value + (__builtin_convertvector(turns, I32) << 23)));
}
inline F32 silu(F32 x) { return x / (1.0f + exp16(-x)); }
inline F32 gelu_tanh(F32 x) {
    const F32 inner = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp16(-2.0f * inner));  // x * (1 + tanh(u)) / 2 = x / (1 + e^-2u)
}

}  // namespace vl2
