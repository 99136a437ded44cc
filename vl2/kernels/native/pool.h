// Worker threads that wait in a spin for the next piece of a step and asleep between steps.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vl2 {

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

class Pool {
  public:
    static Pool& shared() {
        static Pool* pool = new Pool;  // never destroyed: workers may outlive static objects
        return *pool;
    }

    int num_threads() const { return int(workers_.size()) + 1; }

    // Call only while no work runs.
    void resize(int num_threads) {
        stop();
        stopping_ = false;
        for (int number = 1; number < num_threads; number++)
            workers_.emplace_back([this, number, seen = epoch_.load()] { work(number, seen); });
    }

    // Run job(thread) here and on the workers that come in time; return when none is in it. What is to be done must be
    // taken piece by piece inside the job: a worker that sleeps, or whose core is busy, then delays nobody.
    void run(const std::function<void(int)>& job) {
        if (workers_.empty()) return job(0);
        job_ = &job;
        is_open_.store(true, std::memory_order_seq_cst);
        epoch_.fetch_add(1, std::memory_order_seq_cst);
        if (num_asleep_.load(std::memory_order_seq_cst) > 0) {
            std::lock_guard<std::mutex> lock(mutex_);
            wake_.notify_all();
        }
        job(0);
        is_open_.store(false, std::memory_order_seq_cst);
        for (int turn = 0; num_inside_.load(std::memory_order_seq_cst) > 0; turn++)
            turn < SPINS ? relax() : std::this_thread::yield();
    }

  private:
    static constexpr int SPINS = 20000;  // some hundred microseconds: longer than from one piece of a step to the next

    void work(int number, uint64_t seen) {
        while (true) {
            int turn = 0;
            while (epoch_.load(std::memory_order_acquire) == seen && turn++ < SPINS) relax();
            if (epoch_.load(std::memory_order_acquire) == seen) sleep(seen);
            seen = epoch_.load(std::memory_order_acquire);
            if (stopping_) return;
            num_inside_.fetch_add(1, std::memory_order_seq_cst);
            if (is_open_.load(std::memory_order_seq_cst)) (*job_)(number);
            num_inside_.fetch_sub(1, std::memory_order_seq_cst);
        }
    }

    void sleep(uint64_t seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        num_asleep_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return epoch_.load(std::memory_order_seq_cst) != seen; });
        num_asleep_.fetch_sub(1, std::memory_order_relaxed);
    }

    void stop() {
        stopping_ = true;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            epoch_.fetch_add(1, std::memory_order_seq_cst);
            wake_.notify_all();
        }
        for (auto& worker : workers_) worker.join();
        workers_.clear();
    }

    std::vector<std::thread> workers_;
    const std::function<void(int)>* job_ = nullptr;
    std::atomic<uint64_t> epoch_{0};
    std::atomic<int> num_inside_{0}, num_asleep_{0};
    std::atomic<bool> is_open_{false}, stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
};

// Call piece(begin, end, thread) for ranges that cover 0 .. count - 1; threads take the next range when they are free.
template <class Piece> void parallel_for(int64_t count, int64_t size, const Piece& piece) {
    Pool& pool = Pool::shared();
    if (count <= size || pool.num_threads() == 1) return count > 0 ? piece(int64_t(0), count, 0) : void();
    std::atomic<int64_t> next{0};
    pool.run([&](int thread) {
        for (int64_t begin; (begin = next.fetch_add(size, std::memory_order_relaxed)) < count;)
            piece(begin, begin + size < count ? begin + size : count, thread);
    });
}

// Pieces of one size, so long that memory is read on and on, of which each thread takes as many.
inline int64_t even_size(int64_t count) {
    constexpr int64_t MOST = 16;
    const int64_t threads = Pool::shared().num_threads(), share = (count + threads - 1) / threads;
    const int64_t turns = (share + MOST - 1) / MOST;
    return turns > 0 ? (share + turns - 1) / turns : 1;
}

// Ranges of tiles: long enough to stream through memory, and shorter towards the end so that the threads end together.
class Ranges {
  public:
    explicit Ranges(int64_t count)
        : threads_(Pool::shared().num_threads()), step_(count < 2 * MOST_STEP * threads_ ? 1 : MOST_STEP) {}

    // How many of the `left` tiles to take next.
    int64_t size(int64_t left) const {
        const int64_t share = std::min(left / (2 * threads_), MOST) / step_ * step_;
        return std::min(std::max(share, step_), left);
    }
    // Where a thread probably goes on behind `left`, when each of the others has taken a range.
    int64_t skip(int64_t left) const { return (threads_ - 1) * size(left); }

    static constexpr int64_t MOST = 64;

  private:
    static constexpr int64_t MOST_STEP = 4;
    const int64_t threads_, step_;
};

// Call piece(begin, end, thread) for such ranges that cover 0 .. count - 1.
template <class Piece> void parallel_ranges(int64_t count, const Ranges& ranges, const Piece& piece) {
    std::atomic<int64_t> next{0};
    Pool::shared().run([&](int thread) {
        for (int64_t begin = next.load(std::memory_order_relaxed); begin < count;) {
            const int64_t end = begin + ranges.size(count - begin);
            if (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
            piece(begin, end, thread);
            begin = next.load(std::memory_order_relaxed);
        }
    });
}

}  // namespace vl2
