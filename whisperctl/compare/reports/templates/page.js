"use strict";
// Words play. Everything else on this page works without a script.
for (const recording of document.querySelectorAll(".recording")) {
  const audio = recording.querySelector("audio");
  if (!audio) continue;
  const texts = [];

  const play = (start) => {
    audio.currentTime = start;
    audio.play().catch(() => {}); // a browser may want a click on the player first
  };

  for (const lines of recording.querySelectorAll(".lines")) {
    const words = [...lines.querySelectorAll(".w")];
    if (!words.length) continue;
    const starts = words.map((word) => Number(word.dataset.start));
    const ends = words.map((word) => Number(word.dataset.end));
    const byStart = words.map((_, i) => i).sort((a, b) => starts[a] - starts[b]);
    const text = { lines, words, starts, ends, byStart, now: -1, reached: 0 };
    texts.push(text);

    // One stop of the Tab key for each text; arrow keys go from word to word.
    const reach = (i, focus) => {
      const before = words[text.reached];
      before.removeAttribute("tabindex");
      before.removeAttribute("role");
      text.reached = i;
      words[i].tabIndex = 0;
      words[i].setAttribute("role", "button");
      if (focus) words[i].focus();
    };
    reach(0, false);
    const places = new Map(words.map((word, i) => [word, i]));
    lines.addEventListener("click", (event) => {
      const target = event.target.closest("[data-start]");
      if (!target) return;
      if (places.has(target)) reach(places.get(target), true);
      play(Number(target.dataset.start));
    });
    lines.addEventListener("keydown", (event) => {
      const i = places.get(event.target);
      if (i === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      const rtl = getComputedStyle(event.target).direction === "rtl";
      const steps = { ArrowRight: rtl ? -1 : 1, ArrowLeft: rtl ? 1 : -1, ArrowDown: 10, ArrowUp: -10, Home: -words.length, End: words.length };
      if (event.key === "Enter" || event.key === " ") {
        play(starts[i]);
      } else if (event.key in steps) {
        reach(Math.max(0, Math.min(words.length - 1, i + steps[event.key])), true);
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  // The last word that has begun, if it is not over for long.
  const current = (text, time) => {
    let low = 0;
    let high = text.byStart.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (text.starts[text.byStart[middle]] <= time) low = middle + 1;
      else high = middle;
    }
    const i = low ? text.byStart[low - 1] : -1;
    return i >= 0 && time < text.ends[i] + 0.3 ? i : -1;
  };

  const show = () => {
    for (const text of texts) {
      const i = current(text, audio.currentTime + 0.001);
      if (i === text.now) continue;
      if (text.now >= 0) text.words[text.now].classList.remove("now");
      text.now = i;
      if (i < 0) continue;
      const word = text.words[i];
      word.classList.add("now");
      if (audio.paused) continue;
      // Keep it in sight within its own box; the page itself stays where the reader has it.
      const box = text.lines.getBoundingClientRect();
      const at = word.getBoundingClientRect();
      if (at.top < box.top || at.bottom > box.bottom) text.lines.scrollTop += at.top - box.top - box.height / 3;
    }
    if (!audio.paused) requestAnimationFrame(show);
  };
  audio.addEventListener("play", show);
  audio.addEventListener("seeked", show);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
