// Force-included before the sources that build.py names.
//
// The C++ library that comes with the toolchain is built for WASI without threads and without
// files, so it leaves out std::thread, std::mutex, std::condition_variable, the file streams and
// directory iteration. whisper.cpp names them. Threads and locks are real here (see threads.c); the
// file streams never open, because the sandbox has no files: the model arrives on standard input.
#pragma once

#ifdef __cplusplus

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <pthread.h>
#include <thread>
#include <tuple>
#include <utility>

namespace std {

class mutex {
  public:
    constexpr mutex() noexcept = default;
    mutex(const mutex &) = delete;
    mutex & operator=(const mutex &) = delete;
    void lock() { pthread_mutex_lock(&handle_); }
    bool try_lock() { return pthread_mutex_trylock(&handle_) == 0; }
    void unlock() { pthread_mutex_unlock(&handle_); }

  private:
    pthread_mutex_t handle_ = PTHREAD_MUTEX_INITIALIZER;
};

class thread {
  public:
    thread() noexcept = default;

    template <class F, class... Args> explicit thread(F && f, Args &&... args) {
        using Call = tuple<decay_t<F>, decay_t<Args>...>;
        auto call = make_unique<Call>(std::forward<F>(f), std::forward<Args>(args)...);
        if (pthread_create(&handle_, nullptr, &run<Call>, call.get()) != 0) {
            abort();
        }
        call.release();
        joinable_ = true;
    }

    thread(thread && other) noexcept { swap(other); }
    thread & operator=(thread && other) noexcept {
        if (joinable_) {
            abort();
        }
        swap(other);
        return *this;
    }
    ~thread() {
        if (joinable_) {
            abort();
        }
    }

    bool joinable() const noexcept { return joinable_; }
    void join() {
        pthread_join(handle_, nullptr);
        joinable_ = false;
    }
    // The host says how many threads to use; nothing in the module may guess.
    static unsigned hardware_concurrency() noexcept { return 1; }

  private:
    template <class Call> static void * run(void * arg) {
        unique_ptr<Call> call(static_cast<Call *>(arg));
        std::apply([](auto && f, auto &&... args) { std::invoke(std::move(f), std::move(args)...); },
                   std::move(*call));
        return nullptr;
    }
    void swap(thread & other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(joinable_, other.joinable_);
    }

    pthread_t handle_ = {};
    bool joinable_ = false;
};

// A file stream that cannot be opened.
class whisperctl_no_file {
  public:
    template <class... Args> explicit whisperctl_no_file(Args &&...) {}
    bool operator!() const { return true; }
    explicit operator bool() const { return false; }
    void read(char *, long) {}
    bool eof() const { return true; }
    void close() {}
    template <class T> whisperctl_no_file & operator<<(const T &) { return *this; }
};
#define ifstream whisperctl_no_file
#define ofstream whisperctl_no_file

namespace filesystem {

inline bool exists(const path &) { return false; }
inline bool exists(const path &, error_code &) { return false; }
inline path current_path() { return {}; }

struct directory_entry {
    filesystem::path path() const { return {}; }
    operator filesystem::path() const { return {}; }
    bool is_regular_file(error_code &) const { return false; }
};

// The end of an iteration that has no entries.
struct directory_iterator {
    template <class... Args> explicit directory_iterator(Args &&...) {}
    const directory_entry * begin() const { return nullptr; }
    const directory_entry * end() const { return nullptr; }
};

} // namespace filesystem

} // namespace std

#endif
