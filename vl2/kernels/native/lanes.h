// Sixteen lanes in as many registers as they take, for processors without AVX-512: compilers keep vectors that no
// register holds in memory, and every operation on them passes through it. Included by simd.h.
#pragma once

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace vl2 {

#if defined(__AVX__)
constexpr int REGISTER_BYTES = 32;
#else
constexpr int REGISTER_BYTES = 16;
#endif
constexpr int PART_LANES = REGISTER_BYTES / 4;  // of 32 bits
constexpr int NUM_PARTS = 16 / PART_LANES;
constexpr bool HAS_MANY_REGISTERS = false;  // 16

#define EACH_PART for (int p = 0; p < NUM_PARTS; p++)

template <class T> struct Lanes {
    typedef T Part __attribute__((vector_size(PART_LANES * sizeof(T))));
    Part part[NUM_PARTS] = {};

    Lanes() = default;
    VL2_INLINE Lanes(T all) { EACH_PART part[p] = all - Part{}; }  // the compiler knows it for all, unlike all + 0
    // the same bits as numbers of another kind
    template <class U> VL2_INLINE explicit Lanes(const Lanes<U>& other) {
        static_assert(sizeof(T) == sizeof(U));
        EACH_PART part[p] = (Part)other.part[p];
    }
    T operator[](int64_t lane) const { return part[lane / PART_LANES][lane % PART_LANES]; }

    VL2_INLINE Lanes& operator+=(Lanes b) { return *this = *this + b; }
    VL2_INLINE Lanes& operator-=(Lanes b) { return *this = *this - b; }
    VL2_INLINE Lanes& operator*=(Lanes b) { return *this = *this * b; }
    VL2_INLINE Lanes& operator^=(Lanes b) { return *this = *this ^ b; }
    VL2_INLINE friend Lanes operator+(Lanes a, Lanes b) { EACH_PART a.part[p] += b.part[p]; return a; }
    VL2_INLINE friend Lanes operator-(Lanes a, Lanes b) { EACH_PART a.part[p] -= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator*(Lanes a, Lanes b) { EACH_PART a.part[p] *= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator/(Lanes a, Lanes b) { EACH_PART a.part[p] /= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator&(Lanes a, Lanes b) { EACH_PART a.part[p] &= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator|(Lanes a, Lanes b) { EACH_PART a.part[p] |= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator^(Lanes a, Lanes b) { EACH_PART a.part[p] ^= b.part[p]; return a; }
    VL2_INLINE friend Lanes operator<<(Lanes a, int bits) { EACH_PART a.part[p] <<= bits; return a; }
    VL2_INLINE friend Lanes operator>>(Lanes a, int bits) { EACH_PART a.part[p] >>= bits; return a; }
    VL2_INLINE friend Lanes operator-(Lanes a) { EACH_PART a.part[p] = -a.part[p]; return a; }
    VL2_INLINE friend Lanes operator~(Lanes a) { EACH_PART a.part[p] = ~a.part[p]; return a; }
    VL2_INLINE friend Lanes<int32_t> operator<(Lanes a, Lanes b) {
        Lanes<int32_t> out;
        EACH_PART out.part[p] = a.part[p] < b.part[p];
        return out;
    }
    VL2_INLINE friend Lanes<int32_t> operator!=(Lanes a, Lanes b) {
        Lanes<int32_t> out;
        EACH_PART out.part[p] = a.part[p] != b.part[p];
        return out;
    }
    VL2_INLINE friend Lanes<int32_t> operator>(Lanes a, Lanes b) { return b < a; }
};

typedef Lanes<float> F32;
typedef Lanes<int32_t> I32;
typedef Lanes<uint32_t> U32;
typedef Lanes<uint16_t> U16;
typedef Lanes<int8_t> I8;

template <class V> VL2_INLINE V load(const void* from) {
    V out;
    EACH_PART std::memcpy(&out.part[p], (const uint8_t*)from + p * sizeof out.part[p], sizeof out.part[p]);
    return out;
}
template <class T> VL2_INLINE void store(void* to, Lanes<T> value) {
    EACH_PART std::memcpy((uint8_t*)to + p * sizeof value.part[p], &value.part[p], sizeof value.part[p]);
}

template <class To, class From> VL2_INLINE To converted(From x) {
    To out;
    EACH_PART out.part[p] = __builtin_convertvector(x.part[p], typename To::Part);
    return out;
}
VL2_INLINE F32 to_float(I32 x) { return converted<F32>(x); }
VL2_INLINE I32 to_int(F32 x) { return converted<I32>(x); }

// What the compiler would do number by number.
#if defined(__AVX2__)
VL2_INLINE I32 to_int(I8 x) {
    I32 out;
    EACH_PART out.part[p] = (I32::Part)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)&x.part[p]));
    return out;
}
VL2_INLINE U32 widen_bits(U16 x) {
    U32 out;
    EACH_PART out.part[p] = (U32::Part)_mm256_cvtepu16_epi32((__m128i)x.part[p]);
    return out;
}
VL2_INLINE U16 narrow_bits(U32 x) {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)x.part[0], (__m256i)x.part[1]), 0xd8);
    U16 out;
    out.part[0] = (U16::Part)_mm256_castsi256_si128(both);
    out.part[1] = (U16::Part)_mm256_extracti128_si256(both, 1);
    return out;
}
VL2_INLINE I8 to_bytes(I32 x) {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)x.part[0], (__m256i)x.part[1]), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    return load<I8>(&bytes);
}
VL2_INLINE __m128 upper_and_lower(__m256 x) { return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)); }
VL2_INLINE float sum(F32 x) {
    const __m128 four = upper_and_lower((__m256)(x.part[0] + x.part[1]));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
// The sums of eight vectors, side by side.
VL2_INLINE void sums(const F32::Part* x, float* to) {
    for (int i = 0; i < 8; i += 4) {
        const __m256 first = _mm256_hadd_ps((__m256)x[i], (__m256)x[i + 1]);
        const __m256 second = _mm256_hadd_ps((__m256)x[i + 2], (__m256)x[i + 3]);
        _mm_storeu_ps(to + i, upper_and_lower(_mm256_hadd_ps(first, second)));
    }
}
#else
VL2_INLINE I32 to_int(I8 x) { return converted<I32>(x); }
VL2_INLINE U32 widen_bits(U16 x) { return converted<U32>(x); }
VL2_INLINE U16 narrow_bits(U32 x) { return converted<U16>(x); }
VL2_INLINE I8 to_bytes(I32 x) { return converted<I8>(x); }
VL2_INLINE float sum(F32 x) {
    F32::Part all = {};
    EACH_PART all += x.part[p];
    float total = 0;
    for (int lane = 0; lane < PART_LANES; lane++) total += all[lane];
    return total;
}
VL2_INLINE void sums(const F32::Part* x, float* to) {
    for (int i = 0; i < 8; i++) {
        to[i] = 0;
        for (int lane = 0; lane < PART_LANES; lane++) to[i] += x[i][lane];
    }
}
#endif
VL2_INLINE float largest(F32 x) {
    F32::Part all = x.part[0];
    for (int p = 1; p < NUM_PARTS; p++) all = x.part[p] > all ? x.part[p] : all;
    float most = all[0];
    for (int lane = 1; lane < PART_LANES; lane++) most = all[lane] > most ? all[lane] : most;
    return most;
}

// acc + a * b, rounded in one way: left to itself the compiler rounds once here and twice there, and a row's result
// would depend on its neighbours.
VL2_INLINE F32::Part add_part(F32::Part acc, F32::Part a, F32::Part b) {
#if defined(__FMA__)
    return (F32::Part)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)acc);
#else
    return acc + a * b;
#endif
}
VL2_INLINE F32 add_product(F32 acc, F32 a, F32 b) {
    EACH_PART acc.part[p] = add_part(acc.part[p], a.part[p], b.part[p]);
    return acc;
}

// A sum of many products in one register, into which all lanes fall: eight of them leave room for what is multiplied.
typedef F32::Part Folded;
VL2_INLINE Folded add_folded(Folded acc, F32 a, F32 b) {
    EACH_PART acc = add_part(acc, a.part[p], b.part[p]);
    return acc;
}

// Two numbers that were rounded to bfloat16, ready to be multiplied.
struct Pair {
    float first, second;
};
VL2_INLINE F32 dot_pair(F32 acc, U32 w, Pair a) {
    acc = add_product(acc, (F32)(w << 16), a.first);
    return add_product(acc, (F32)(w & 0xffff0000u), a.second);
}
// acc[lane] += the products of four unsigned bytes of w[lane] with four signed bytes of a
VL2_INLINE I32 dot_quad(I32 acc, I32 w, int32_t a) {
#if defined(__AVXVNNI__)
    EACH_PART acc.part[p] =
        (I32::Part)_mm256_dpbusd_avx_epi32((__m256i)acc.part[p], (__m256i)w.part[p], _mm256_set1_epi32(a));
#else
    for (int byte = 0; byte < 4; byte++) acc += (w >> 8 * byte & 255) * I32(int8_t(a >> 8 * byte));
#endif
    return acc;
}

// The same with four numbers of 16 bits, the even and the odd ones in pairs: exact, where products of bytes would be cut
// off at 16 bits.
#if defined(__AVX2__) && !defined(__AVXVNNI__)
constexpr bool HAS_WIDE_QUADS = true;
VL2_INLINE I32 dot_wide(I32 acc, I32 w, int32_t even, int32_t odd) {
    EACH_PART {
        const __m256i bytes = (__m256i)w.part[p];
        const __m256i first = _mm256_madd_epi16(_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_set1_epi32(even));
        const __m256i second = _mm256_madd_epi16(_mm256_srli_epi16(bytes, 8), _mm256_set1_epi32(odd));
        acc.part[p] += (I32::Part)first + (I32::Part)second;
    }
    return acc;
}
#else
constexpr bool HAS_WIDE_QUADS = false;
VL2_INLINE I32 dot_wide(I32 acc, I32, int32_t, int32_t) { return acc; }
#endif

// The same with the nibbles of w, of which products of bytes fit 16 bits.
constexpr int HIGH_SHIFT = 0;  // of what high_nibbles returns, to the left
VL2_INLINE I32 low_nibbles(I32 bytes) { return bytes & 0x0f0f0f0f; }
VL2_INLINE I32 high_nibbles(I32 bytes) { return (bytes >> 4) & 0x0f0f0f0f; }
VL2_INLINE I32 dot_nibbles(I32 acc, I32 w, int32_t a) {
#if defined(__AVX2__) && !defined(__AVXVNNI__)
    const __m256i all = _mm256_set1_epi32(a), ones = _mm256_set1_epi16(1);
    EACH_PART acc.part[p] += (I32::Part)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)w.part[p], all), ones);
    return acc;
#else
    return dot_quad(acc, w, a);
#endif
}

#undef EACH_PART

}  // namespace vl2
