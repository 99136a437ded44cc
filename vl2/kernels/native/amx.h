// Products of 16 x 16 numbers at once, on processors that have a unit for them (AMX).
//
// All products of bfloat16 go this way or none does: the unit adds up in an order of its own, and a row's result must
// not depend on how many rows are beside it.
#pragma once

#include "simd.h"

#if defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace vl2 {

constexpr int TILE_PAIRS = 16;  // of columns: what one product takes in

#if defined(__AMX_BF16__) && defined(__linux__)

// A process has to ask the system for the unit; threads that start later may use it too.
inline bool has_tile_unit() {
    static const bool is_granted = [] {
        constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
        return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    }();
    return is_granted;
}

// out [TILES][ROWS][16] = a [cols/32][ROWS][16 pairs] * w [TILES][cols/32][16 pairs][16 lanes]; ROWS at most 16
template <int ROWS, int TILES>
void dot_tiles(const uint16_t* const* w, const uint32_t* a, int64_t cols, int64_t ahead, float* out) {
    struct alignas(64) Shape {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64};
        uint8_t rows[16] = {ROWS, ROWS, ROWS, 16, 16};
    };
    static const Shape shape;
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    constexpr int64_t STEP = TILE_PAIRS * 2 * LANES;
    for (int64_t part = 0; part < cols / (2 * TILE_PAIRS); part++) {
        for (int t = 0; t < TILES; t++)
            for (int line = 0; line < TILE_PAIRS; line++)
                __builtin_prefetch((const uint8_t*)(w[t] + part * STEP + line * 2 * LANES) + ahead);
        _tile_loadd(2, a + part * ROWS * TILE_PAIRS, 64);
        _tile_loadd(3, w[0] + part * STEP, 64);
        _tile_dpbf16ps(0, 2, 3);
        if constexpr (TILES == 2) {
            _tile_loadd(4, w[1] + part * STEP, 64);
            _tile_dpbf16ps(1, 2, 4);
        }
    }
    _tile_stored(0, out, 64);
    if constexpr (TILES == 2) _tile_stored(1, out + ROWS * LANES, 64);
    _tile_release();
}

#else

inline bool has_tile_unit() { return false; }
template <int ROWS, int TILES>
void dot_tiles(const uint16_t* const*, const uint32_t*, int64_t, int64_t, float*) {}

#endif

}  // namespace vl2
