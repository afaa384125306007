# The export that a host calls on a new thread: wasi_thread_start(thread id, argument of the spawn).
#
# It is written in assembly because no C may run before the thread has a stack of its own: the argument
# points to a worker (see threads.c), whose first two words are the top of that stack and the block for
# its thread-local variables.

        .globaltype     __stack_pointer, i32
        .functype       __wasm_init_tls (i32) -> ()
        .functype       whisperctl_thread_main (i32, i32) -> ()

        .export_name    wasi_thread_start, wasi_thread_start
        .globl          wasi_thread_start
        .type           wasi_thread_start,@function
wasi_thread_start:
        .functype       wasi_thread_start (i32, i32) -> ()
        local.get       1
        i32.load        0
        global.set      __stack_pointer
        local.get       1
        i32.load        4
        call            __wasm_init_tls
        local.get       0
        local.get       1
        call            whisperctl_thread_main
        end_function
