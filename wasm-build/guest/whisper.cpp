// whisper.cpp itself, with the few things it has no function for.

#include "../src/whisper.cpp"

// Starts the random numbers of the first decoder anew, as a new state would. The others start anew with
// every run, but this one goes on where the recording before left it, and beam search draws by it even at
// a temperature of zero: the same recording would give another text the second time. And forgets its
// logits: it takes the probability that nobody speaks from those of the prompt's first token, which it
// has not computed when the prompt has several.
extern "C" void whisperctl_forget_random_numbers(whisper_context * context) {
    context->state->decoders[0].rng = std::mt19937(0);
    context->state->logits.clear();
}

// What the decoder was conditioned on beside the initial prompt that is carried.
extern "C" void whisperctl_forget_text(whisper_context * context) {
    context->state->prompt_past1.clear();
}

// How often decoding failed at a temperature, since the model was loaded.
extern "C" int whisperctl_fallbacks(whisper_context * context) {
    return context->state->n_fail_p;
}
