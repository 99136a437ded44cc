// Sixteen lanes in one register of AVX-512, through the compiler's vector types. Included by simd.h.
#pragma once

#include <immintrin.h>

namespace vl2 {

typedef float F32 __attribute__((vector_size(64)));
typedef int32_t I32 __attribute__((vector_size(64)));
typedef uint32_t U32 __attribute__((vector_size(64)));
typedef uint16_t U16 __attribute__((vector_size(32)));
typedef int8_t I8 __attribute__((vector_size(16)));

constexpr bool HAS_MANY_REGISTERS = true;  // 32

template <class V> VL2_INLINE V load(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class V> VL2_INLINE void store(void* to, V value) { std::memcpy(to, &value, sizeof value); }

VL2_INLINE F32 to_float(I32 x) { return __builtin_convertvector(x, F32); }
VL2_INLINE I32 to_int(F32 x) { return __builtin_convertvector(x, I32); }
VL2_INLINE I32 to_int(I8 x) { return (I32)_mm512_cvtepi8_epi32((__m128i)x); }  // the compiler would go number by number
VL2_INLINE I8 to_bytes(I32 x) { return __builtin_convertvector(x, I8); }
VL2_INLINE U32 widen_bits(U16 x) { return (U32)_mm512_cvtepu16_epi32((__m256i)x); }
VL2_INLINE U16 narrow_bits(U32 x) { return __builtin_convertvector(x, U16); }

VL2_INLINE float sum(F32 x) { return _mm512_reduce_add_ps((__m512)x); }
VL2_INLINE float largest(F32 x) { return _mm512_reduce_max_ps((__m512)x); }

// The sums of eight vectors, side by side: less than half the work of one after the other.
VL2_INLINE void sums(const F32* x, float* to) {
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
}

VL2_INLINE F32 add_product(F32 acc, F32 a, F32 b) { return acc + a * b; }

// A sum of many products: see lanes.h.
typedef F32 Folded;
VL2_INLINE Folded add_folded(Folded acc, F32 a, F32 b) { return acc + a * b; }

// acc[lane] += the products of the pairs of bfloat16 in w[lane] and a[lane]
VL2_INLINE F32 dot_pairs(F32 acc, U32 w, U32 a) {
#if defined(__AVX512BF16__)
    return (F32)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(__m512i)w, (__m512bh)(__m512i)a);
#else
    acc += (F32)(w << 16) * (F32)(a << 16);
    return acc + (F32)(w & 0xffff0000u) * (F32)(a & 0xffff0000u);
#endif
}
typedef uint32_t Pair;
VL2_INLINE F32 dot_pair(F32 acc, U32 w, Pair a) { return dot_pairs(acc, w, U32{} + a); }

// acc[lane] += the products of four unsigned bytes of w[lane] with four signed bytes of a
VL2_INLINE I32 dot_quad(I32 acc, I32 w, int32_t a) {
    const __m512i all = _mm512_set1_epi32(a);
#if defined(__AVX512VNNI__)
    return (I32)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, all);
#elif defined(__AVX512BW__)
    // even and odd bytes apart, as pairs of 16 bits: see lanes.h
    const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(all, 8), 8), odd = _mm512_srai_epi16(all, 8);
    const __m512i first = _mm512_madd_epi16(_mm512_and_si512((__m512i)w, _mm512_set1_epi16(255)), even);
    return acc + ((I32)first + (I32)_mm512_madd_epi16(_mm512_srli_epi16((__m512i)w, 8), odd));
#else
    for (int byte = 0; byte < 4; byte++) acc += (w >> 8 * byte & 255) * int32_t(int8_t(a >> 8 * byte));
    return acc;
#endif
}

constexpr bool HAS_WIDE_QUADS = false;  // see lanes.h
VL2_INLINE I32 dot_wide(I32 acc, I32, int32_t, int32_t) { return acc; }

// The same with the nibbles of w: low ones as they are, high ones sixteen times their value, until they are summed.
constexpr int HIGH_SHIFT = 4;
VL2_INLINE I32 low_nibbles(I32 bytes) { return bytes & 0x0f0f0f0f; }
VL2_INLINE I32 high_nibbles(I32 bytes) { return bytes & int32_t(0xf0f0f0f0); }
VL2_INLINE I32 dot_nibbles(I32 acc, I32 w, int32_t a) { return dot_quad(acc, w, a); }

}  // namespace vl2
