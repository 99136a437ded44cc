// Attention that learns, in float32: each head of each document is one piece of work, forward or back. Scores are kept
// for a few queries at a time and computed anew on the way back.
#pragma once

#include "attention.h"

namespace vl2 {

// Where head h of token t of row b is: at row * b + head * h + token * t, its numbers side by side.
struct Strides {
    int64_t row, head, token;
};

// Tokens of one row that attend to each other; causal: each to itself and those before it.
struct Document {
    int64_t row, first, count;
};

// Mirrored by vl2/kernels/native/structs.py.
struct LearnedAttention {
    const float *query, *key, *value;
    Strides query_at, key_at, value_at;
    const Document* documents;
    int64_t num_documents, heads, tokens, key_dim, value_dim;
    float scale;
    int32_t is_causal;
    float* out;     // [rows][tokens][heads][value_dim]
    Softmax* sums;  // [rows][heads][tokens]
};

// Gradients; query, key and value are laid out as `out` is.
struct AttentionGradients {
    const float* out;
    float *query, *key, *value;
};

// A matrix as a product reads it, number by number.
struct Numbers {
    const float* data;
    int64_t row, col;
};

template <int ROWS>
void product_block(const Numbers& a, const float* b, int64_t stride, int64_t inner, float* out, int64_t out_stride,
                   bool adds) {
    F32 acc[ROWS];
    for (int m = 0; m < ROWS; m++) acc[m] = adds ? load<F32>(out + m * out_stride) : F32{};
    for (int64_t i = 0; i < inner; i++) {
        const F32 column = load<F32>(b + i * stride);
        for (int m = 0; m < ROWS; m++) acc[m] = add_product(acc[m], column, splat(a.data[m * a.row + i * a.col]));
    }
    for (int m = 0; m < ROWS; m++) store(out + m * out_stride, acc[m]);
}

template <int ROWS = FLOAT_ROWS>
void some_rows(int rows, const Numbers& a, const float* b, int64_t stride, int64_t inner, float* out,
               int64_t out_stride, bool adds) {
    if constexpr (ROWS > 1)
        if (rows < ROWS) return some_rows<ROWS - 1>(rows, a, b, stride, inner, out, out_stride, adds);
    product_block<ROWS>(a, b, stride, inner, out, out_stride, adds);
}

inline int64_t whole_lanes(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

// A matrix whose rows are filled up to whole lanes with zeros.
struct Plane {
    std::vector<float> data;
    int64_t stride = 0;

    void shape(int64_t rows, int64_t cols) {
        stride = whole_lanes(cols);
        data.assign(rows * stride, 0.0f);
    }
    float* at(int64_t row) { return data.data() + row * stride; }
    Numbers rows(int64_t first) { return {at(first), stride, 1}; }
    Numbers columns(int64_t first) { return {data.data() + first, 1, stride}; }
};

// out [rows][cols] = a [rows][inner] * the rows of b from `first` on, or added to it; whole lanes of columns.
inline void multiply_planes(const Numbers& a, int64_t rows, Plane& b, int64_t first, int64_t inner, int64_t cols,
                            Plane& out, bool adds = false) {
    for (int64_t c = 0; c < cols; c += LANES)
        for (int64_t r = 0; r < rows; r += FLOAT_ROWS) {
            const Numbers from{a.data + r * a.row, a.row, a.col};
            const int some = int(std::min(rows - r, int64_t(FLOAT_ROWS)));
            some_rows(some, from, b.at(first) + c, b.stride, inner, out.at(r) + c, out.stride, adds);
        }
}

class AttentionLearner {
    static constexpr int64_t QUERIES = 48;  // at once

  public:
    explicit AttentionLearner(const LearnedAttention& all) : all_(all) {}

    void forward(const Document& document, int64_t head) {
        open(document, head);
        take(all_.value, all_.value_at, all_.value_dim, values_);
        found_.shape(QUERIES, all_.value_dim);
        each_chunk([&](int64_t first, int64_t count, int64_t seen) {
            score(first, count, seen);
            for (int64_t m = 0; m < count; m++)
                sums(first + m) = soften(scores_.at(m), limit(first + m), whole_lanes(seen));
            multiply_planes(scores_.rows(0), count, values_, 0, seen, values_.stride, found_);
            for (int64_t m = 0; m < count; m++)
                put(all_.out, first + m, all_.value_dim, found_.at(m), sums(first + m).inverse);
        });
    }

    void backward(const Document& document, int64_t head, const AttentionGradients& grads) {
        open(document, head);
        const Strides dense{all_.tokens * all_.heads * all_.value_dim, all_.value_dim, all_.heads * all_.value_dim};
        take(all_.key, all_.key_at, all_.key_dim, keys_);
        take(grads.out, dense, all_.value_dim, came_);
        turn(all_.value, all_.value_at, all_.value_dim, upright_values_);
        weights_.shape(QUERIES, document.count), found_.shape(QUERIES, all_.key_dim);
        key_grads_.shape(document.count, all_.key_dim), value_grads_.shape(document.count, all_.value_dim);
        each_chunk([&](int64_t first, int64_t count, int64_t seen) {
            score(first, count, seen);
            for (int64_t m = 0; m < count; m++) weigh(first + m, scores_.at(m), weights_.at(m), seen);
            multiply_planes(weights_.columns(0), seen, came_, first, count, came_.stride, value_grads_, true);
            multiply_planes(came_.rows(first), count, upright_values_, 0, all_.value_dim, whole_lanes(seen), scores_);
            for (int64_t m = 0; m < count; m++) return_scores(scores_.at(m), weights_.at(m), seen);
            multiply_planes(scores_.columns(0), seen, queries_, first, count, queries_.stride, key_grads_, true);
            multiply_planes(scores_.rows(0), count, keys_, 0, seen, keys_.stride, found_);
            for (int64_t m = 0; m < count; m++) put(grads.query, first + m, all_.key_dim, found_.at(m), all_.scale);
        });
        for (int64_t i = 0; i < document.count; i++) {
            put(grads.key, i, all_.key_dim, key_grads_.at(i), 1.0f);
            put(grads.value, i, all_.value_dim, value_grads_.at(i), 1.0f);
        }
    }

  private:
    void open(const Document& document, int64_t head) {
        document_ = document, head_ = head;
        take(all_.query, all_.query_at, all_.key_dim, queries_);
        for (float& value : queries_.data) value *= all_.scale;
        turn(all_.key, all_.key_at, all_.key_dim, upright_keys_);
        scores_.shape(QUERIES, document.count);
    }

    const float* token(const float* from, const Strides& at, int64_t i) const {
        return from + document_.row * at.row + head_ * at.head + (document_.first + i) * at.token;
    }
    void take(const float* from, const Strides& at, int64_t dim, Plane& to) {
        to.shape(document_.count, dim);
        for (int64_t i = 0; i < document_.count; i++) std::memcpy(to.at(i), token(from, at, i), dim * sizeof(float));
    }
    void turn(const float* from, const Strides& at, int64_t dim, Plane& to) {
        to.shape(dim, document_.count);
        for (int64_t i = 0; i < document_.count; i++) {
            const float* numbers = token(from, at, i);
            for (int64_t d = 0; d < dim; d++) to.at(d)[i] = numbers[d];
        }
    }
    void put(float* to, int64_t i, int64_t dim, const float* from, float factor) const {
        float* place = to + (((document_.row * all_.tokens + document_.first + i) * all_.heads) + head_) * dim;
        for (int64_t d = 0; d < dim; d++) place[d] = from[d] * factor;
    }
    Softmax& sums(int64_t i) const {
        return all_.sums[(document_.row * all_.heads + head_) * all_.tokens + document_.first + i];
    }

    // use(first query, queries, keys that the last of them sees)
    template <class Use> void each_chunk(const Use& use) {
        for (int64_t first = 0; first < document_.count; first += QUERIES) {
            const int64_t count = std::min(document_.count - first, QUERIES);
            use(first, count, all_.is_causal ? first + count : document_.count);
        }
    }
    int64_t limit(int64_t query) const { return all_.is_causal ? query + 1 : document_.count; }

    void score(int64_t first, int64_t count, int64_t seen) {
        multiply_planes(queries_.rows(first), count, upright_keys_, 0, all_.key_dim, whole_lanes(seen), scores_);
    }

    // The weights of scores, 0 behind the limit.
    void weigh(int64_t query, float* row, float* weights, int64_t seen) const {
        const int64_t end = whole_lanes(seen);
        hide(row, limit(query), end);
        const Softmax made = sums(query);
        for (int64_t s = 0; s < end; s += LANES)
            store(weights + s, exp16(load<F32>(row + s) - made.largest) * made.inverse);
    }

    // The gradient of the scores, from that of the weights.
    static void return_scores(float* row, const float* weights, int64_t seen) {
        const int64_t end = whole_lanes(seen);
        F32 all = {};
        for (int64_t s = 0; s < end; s += LANES) all = add_product(all, load<F32>(weights + s), load<F32>(row + s));
        const float mean = sum(all);
        for (int64_t s = 0; s < end; s += LANES) store(row + s, load<F32>(weights + s) * (load<F32>(row + s) - mean));
    }

    const LearnedAttention& all_;
    Document document_{};
    int64_t head_ = 0;
    Plane queries_, keys_, upright_keys_, values_, upright_values_, came_, scores_, weights_, found_;
    Plane key_grads_, value_grads_;
};

// learn(learner, document, head) for all heads of all documents, in parallel
template <class Learn> void each_head(const LearnedAttention& all, const Learn& learn) {
    std::vector<std::unique_ptr<AttentionLearner>> learners(Pool::shared().num_threads());
    parallel_for(all.num_documents * all.heads, 1, [&](int64_t begin, int64_t end, int thread) {
        auto& learner = learners[thread];
        if (!learner) learner = std::make_unique<AttentionLearner>(all);
        for (int64_t piece = begin; piece < end; piece++)
            learn(*learner, all.documents[piece / all.heads], piece % all.heads);
    });
}

}  // namespace vl2
