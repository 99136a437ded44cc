// Sixteen lanes: in one register with AVX-512, in several without (lanes.h).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define VL2_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include "lanes512.h"
#else
#include "lanes.h"
#endif

namespace vl2 {

constexpr int LANES = 16;

VL2_INLINE F32 splat(float x) { return x - F32{}; }  // the compiler knows it for x, unlike x + 0
VL2_INLINE float bits_to_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
VL2_INLINE uint32_t float_to_bits(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// bfloat16 is the upper half of a float; rounding is to nearest, ties to even. A NaN keeps its upper half.
VL2_INLINE float widen(uint16_t half) { return bits_to_float(uint32_t(half) << 16); }
VL2_INLINE uint16_t narrow(float value) {
    const uint32_t bits = float_to_bits(value);
    if (value != value) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
VL2_INLINE F32 widen16(const uint16_t* from) {
    return (F32)(widen_bits(load<U16>(from)) << 16);
}
VL2_INLINE U16 narrow16(F32 value) {
#if defined(__AVX512BF16__)
    return (U16)_mm512_cvtneps_pbh((__m512)value);
#else
    const U32 bits = (U32)value;
    const U32 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const I32 is_nan = value != value;
    return narrow_bits((rounded & ~(U32)is_nan) | ((bits >> 16 | 0x40) & (U32)is_nan));
#endif
}
VL2_INLINE void to_pairs(F32 value, Pair* to) {
    const U16 halves = narrow16(value);
    if constexpr (sizeof(Pair) == sizeof(uint32_t))
        store(to, halves);
    else
        store(to, widen_bits(halves) << 16);
}

// 32 numbers as they meet pairs of bfloat16. Where the processor multiplies such pairs, each is the sum of two of them,
// so that products keep 16 bits; elsewhere the even and the odd ones stand apart.
#if defined(__AVX512BF16__)
struct Twin {
    U32 high, low;
};
inline Twin to_twin(const float* from) {
    uint16_t high[2 * LANES], low[2 * LANES];
    for (int i = 0; i < 2 * LANES; i += LANES) {
        const F32 value = load<F32>(from + i);
        store(high + i, narrow16(value));
        store(low + i, narrow16(value - widen16(high + i)));
    }
    return {load<U32>(high), load<U32>(low)};
}
struct TwinSum {
    Folded high = {}, low = {};

    VL2_INLINE void add(U32 pairs, const Twin& a) {
        high = dot_pairs(high, pairs, a.high);
        low = dot_pairs(low, pairs, a.low);
    }
    VL2_INLINE Folded total() const { return high + low; }
};
#else
struct Twin {
    F32 even, odd;
};
inline Twin to_twin(const float* from) {
    float even[LANES], odd[LANES];
    for (int i = 0; i < LANES; i++) even[i] = from[2 * i], odd[i] = from[2 * i + 1];
    return {load<F32>(even), load<F32>(odd)};
}
struct TwinSum {
    Folded even = {}, odd = {};

    VL2_INLINE void add(U32 pairs, const Twin& a) {
        even = add_folded(even, (F32)(pairs << 16), a.even);
        odd = add_folded(odd, (F32)(pairs & 0xffff0000u), a.odd);
    }
    VL2_INLINE Folded total() const { return even + odd; }
};
#endif

VL2_INLINE F32 absolute(F32 x) { return (F32)((U32)x & 0x7fffffffu); }

// Keep the first lanes only where a row ends inside sixteen values.
VL2_INLINE void store_some(float* to, F32 value, int64_t count) {
    if (count >= LANES) return store(to, value);
    for (int64_t lane = 0; lane < count; lane++) to[lane] = value[lane];
}
VL2_INLINE F32 load_some(const float* from, int64_t count) {
    if (count >= LANES) return load<F32>(from);
    float some[LANES] = {};
    for (int64_t lane = 0; lane < count; lane++) some[lane] = from[lane];
    return load<F32>(some);
}

VL2_INLINE F32 select(I32 where, F32 yes, F32 no) { return (F32)((where & (I32)yes) | (~where & (I32)no)); }

// e^x to about 2 units in the last place: 2^n times a polynomial on half a binade. Below -87 it is 0: numbers that are
// almost nothing would slow every sum they enter.
VL2_INLINE F32 exp16(F32 x) {
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
    return select(is_nothing, F32{}, (F32)((I32)value + (to_int(turns) << 23)));
}
VL2_INLINE F32 silu(F32 x) { return x / (1.0f + exp16(-x)); }
VL2_INLINE F32 gelu_tanh(F32 x) {
    const F32 inner = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp16(-2.0f * inner));  // x * (1 + tanh(u)) / 2 = x / (1 + e^-2u)
}

}  // namespace vl2
