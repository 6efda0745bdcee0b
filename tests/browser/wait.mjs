// How the tests wait: for what they want to see, and long enough for a busy machine.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

/** How long anything may take, in ms. A quiet machine needs a hundredth of it. */
export const PATIENCE = 60_000;

/** Reads until what is read equals `wanted`; fails with both when that takes longer than `PATIENCE`. */
export async function becomes(read, wanted, why) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await read();
    if (isDeepStrictEqual(found, wanted)) return;
    if (Date.now() > end) assert.deepEqual(found, wanted, why);
    await pause(50);
  }
}
