// Products of 16 x 16 numbers at once, on processors that have a unit for them (AMX).
//
// All products of bfloat16 go this way or none does: the unit adds up in an order of its own, and a row's result must
// not depend on how many rows are beside it. Sums of integers are exact, so there each product may choose.
#pragma once

#include "simd.h"

#if defined(__AMX_BF16__) && defined(__AMX_INT8__) && defined(__linux__)
#define VL2_TILE_UNIT 1
#include <sys/syscall.h>
#include <unistd.h>
#else
#define VL2_TILE_UNIT 0
#endif

namespace vl2 {

constexpr int UNIT_ROWS = 16;         // of one operand of the unit
constexpr int UNIT_WORDS = 16;        // 32-bit words of a row of one operand: pairs of bfloat16, or four bytes each
constexpr int TILE_BLOCK_ROWS = 2 * UNIT_ROWS;  // of a block: each weight that is loaded meets two operands

// Activations of integers, one block of them.
struct IntBlock {
    const int32_t *high, *low;  // words as Packed has them; low is not read of 8 bits
    const float* steps;         // [groups][rows]
    const int32_t* offsets;     // [groups][rows]
    int rows, group;
    int64_t cols;
};

#if VL2_TILE_UNIT

// A process has to ask the system for the unit; threads that start later may use it too.
inline bool has_tile_unit() {
    static const bool is_granted = [] {
        constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
        return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    }();
    return is_granted;
}

// The intrinsics do not tell the compiler all that they read.
inline void finish_stores(const void* read) { __asm__ __volatile__("" : : "r"(read) : "memory"); }

// Operands 0 to 3 are sums, 4 and 5 activations, 6 and 7 weights. Even sums and 4 are of the first sixteen rows.
inline void shape_operands(int rows) {
    struct alignas(64) Shape {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {};
    } shape;
    const uint8_t first = uint8_t(rows < UNIT_ROWS ? rows : UNIT_ROWS);
    const uint8_t second = uint8_t(rows > UNIT_ROWS ? rows - UNIT_ROWS : 1);
    for (int sums = 0; sums < 4; sums++) shape.rows[sums] = sums % 2 == 0 ? first : second;
    shape.rows[4] = first, shape.rows[5] = second;
    shape.rows[6] = shape.rows[7] = UNIT_ROWS;
    finish_stores(&shape);
    _tile_loadconfig(&shape);
}

inline void clear_sums() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

inline void call_memory(const uint8_t* from, int64_t ahead) {
    for (int line = 0; line < UNIT_ROWS; line++) __builtin_prefetch(from + line * 64 + ahead);
}

// out [weights][rows][16] = a [cols/32][rows][16 pairs] * w [weights][cols/32][16 pairs][16 lanes]; rows at most 32.
// Memory is called for weights `ahead` bytes away; 0: they are at hand.
inline void dot_tiles(const uint16_t* const* w, int num_weights, const Pair* a, int rows, int64_t cols,
                      int64_t ahead, float* out) {
    constexpr int64_t STEP = UNIT_WORDS * 2 * LANES;
    const bool is_pair = num_weights == 2, is_tall = rows > UNIT_ROWS;
    shape_operands(rows);
    clear_sums();
    for (int64_t part = 0; part < cols / (2 * UNIT_WORDS); part++, a += rows * UNIT_WORDS) {
        for (int t = 0; ahead && t < num_weights; t++) call_memory((const uint8_t*)(w[t] + part * STEP), ahead);
        _tile_loadd(4, a, 64);
        _tile_loadd(6, w[0] + part * STEP, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (is_tall) {
            _tile_loadd(5, a + UNIT_ROWS * UNIT_WORDS, 64);
            _tile_dpbf16ps(1, 5, 6);
        }
        if (!is_pair) continue;
        _tile_loadd(7, w[1] + part * STEP, 64);
        _tile_dpbf16ps(2, 4, 7);
        if (is_tall) _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, 64);
    if (is_tall) _tile_stored(1, out + UNIT_ROWS * LANES, 64);
    if (is_pair) _tile_stored(2, out + rows * LANES, 64);
    if (is_pair && is_tall) _tile_stored(3, out + (rows + UNIT_ROWS) * LANES, 64);
    _tile_release();
}

// Sixteen lines of bytes from eight of nibbles: a line's low ones, then its high ones, as their columns follow.
inline void spread_nibbles(const uint8_t* from, uint8_t* to) {
    for (int line = 0; line < UNIT_ROWS / 2; line++) {
        const U32 bytes = load<U32>(from + line * 64);
        store(to + 2 * line * 64, bytes & 0x0f0f0f0fu);
        store(to + (2 * line + 1) * 64, bytes >> 4 & 0x0f0f0f0fu);
    }
    finish_stores(to);
}

// out [rows][16] = x * w, as dot_int has it: the sums of a group are the same numbers, and groups are added up alike.
template <bool FOUR_BITS, bool SPLIT> class IntProduct {
  public:
    IntProduct(const uint8_t* w, const uint16_t* scales, const IntBlock& x, int64_t ahead, float* out)
        : w_(w), scales_(scales), x_(x), ahead_(ahead), high_(x.high), low_(x.low), out_(out) {}

    // The unit is given a group, and while it computes the one before is scaled.
    void run() {
        const int64_t num_groups = x_.cols / x_.group;
        shape_operands(x_.rows);
        for (int m = 0; m < x_.rows; m++) store(out_ + m * LANES, F32{});
        for (int64_t g = 0; g <= num_groups; g++) {
            if (g < num_groups) sum_group(g % 2);
            if (g > 0) scale_group(g - 1);
        }
        _tile_release();
    }

  private:
    static constexpr int BYTES = FOUR_BITS ? 512 : 1024;  // of a weight's operand in memory

    void sum_group(int place) {
        const bool is_tall = x_.rows > UNIT_ROWS;
        clear_sums();
        for (int part = 0; part < x_.group / (4 * UNIT_WORDS); part++, w_ += BYTES) {
            for (int line = 0; ahead_ && line < BYTES / 64; line++) __builtin_prefetch(w_ + line * 64 + ahead_);
            if constexpr (FOUR_BITS) spread_nibbles(w_, spread_);
            _tile_loadd(6, FOUR_BITS ? spread_ : w_, 64);
            _tile_loadd(4, high_, 64);
            _tile_dpbsud(0, 4, 6);
            if (is_tall) {
                _tile_loadd(5, high_ + UNIT_ROWS * UNIT_WORDS, 64);
                _tile_dpbsud(1, 5, 6);
            }
            high_ += x_.rows * UNIT_WORDS;
            if constexpr (!SPLIT) continue;
            _tile_loadd(4, low_, 64);
            _tile_dpbsud(2, 4, 6);
            if (is_tall) {
                _tile_loadd(5, low_ + UNIT_ROWS * UNIT_WORDS, 64);
                _tile_dpbsud(3, 5, 6);
            }
            low_ += x_.rows * UNIT_WORDS;
        }
        _tile_stored(0, tops_[place], 64);
        if (is_tall) _tile_stored(1, tops_[place] + UNIT_ROWS * LANES, 64);
        if constexpr (!SPLIT) return;
        _tile_stored(2, bottoms_[place], 64);
        if (is_tall) _tile_stored(3, bottoms_[place] + UNIT_ROWS * LANES, 64);
    }

    void scale_group(int64_t g) {
        const F32 scale = widen16(scales_ + g * LANES);
        const float* steps = x_.steps + g * x_.rows;
        const int32_t* offsets = x_.offsets + g * x_.rows;
        for (int m = 0; m < x_.rows; m++) {
            I32 whole = load<I32>(tops_[g % 2] + m * LANES);
            if constexpr (SPLIT) whole = (whole << 7) + load<I32>(bottoms_[g % 2] + m * LANES);
            F32 sum = load<F32>(out_ + m * LANES);
            sum += to_float(whole - offsets[m]) * (scale * steps[m]);
            store(out_ + m * LANES, sum);
        }
    }

    const uint8_t* w_;
    const uint16_t* scales_;
    const IntBlock& x_;
    const int64_t ahead_;
    const int32_t *high_, *low_;
    float* out_;
    alignas(64) int32_t tops_[2][TILE_BLOCK_ROWS * LANES], bottoms_[2][TILE_BLOCK_ROWS * LANES];
    alignas(64) uint8_t spread_[1024];
};

template <bool FOUR_BITS, bool SPLIT>
void dot_int_tiles(const uint8_t* w, const uint16_t* scales, const IntBlock& x, int64_t ahead, float* out) {
    IntProduct<FOUR_BITS, SPLIT>(w, scales, x, ahead, out).run();
}

#else

inline bool has_tile_unit() { return false; }
inline void dot_tiles(const uint16_t* const*, int, const Pair*, int, int64_t, int64_t, float*) {}
template <bool FOUR_BITS, bool SPLIT>
void dot_int_tiles(const uint8_t*, const uint16_t*, const IntBlock&, int64_t, float*) {}

#endif

}  // namespace vl2
