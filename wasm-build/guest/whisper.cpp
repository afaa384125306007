// whisper.cpp itself, with the one thing it has no function for.

#include "../src/whisper.cpp"

// Starts the random numbers of the first decoder anew, as a new state would. The others start anew with
// every run, but this one goes on where the recording before left it, and beam search draws by it even at
// a temperature of zero: the same recording would give another text the second time.
extern "C" void whisperctl_forget_random_numbers(whisper_context * context) {
    context->state->decoders[0].rng = std::mt19937(0);
}
