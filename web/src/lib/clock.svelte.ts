/** Time passes: for "8 s ago", and, for what moves, frame by frame. */

/** The time in milliseconds since 1970; changes every second. */
export const now = $state({ millis: Date.now() });

setInterval(() => {
  now.millis = Date.now();
}, 1_000);

/** True where the system asks for less movement. */
export function wantsLessMotion(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Calls `draw` with the time of every frame, or a few times a second where less movement is wanted. Returns how to stop. */
export function eachFrame(draw: (at: number) => void): () => void {
  if (wantsLessMotion()) {
    const timer = setInterval(() => draw(performance.now()), 500);
    return () => clearInterval(timer);
  }
  let frame = requestAnimationFrame(function next(at) {
    draw(at);
    frame = requestAnimationFrame(next);
  });
  return () => cancelAnimationFrame(frame);
}
