//! Who is on which page of the stage, moving as few as possible.

/** So many people on a page; beside something large, so many in its strip. */
export const PAGE = 25, STRIP = 6;

/**
 * Somebody speaks who is not on the first page: they take the place of whoever there has been silent for longest. The
 * first of all (oneself) stays.
 * @template T
 * @param {T[]} order @param {T} speaker @param {number} size  of a page @param {Map<T, number>} spoke  when each last did
 * @returns {T[]}
 */
export function promote(order, speaker, size, spoke) {
  const at = order.indexOf(speaker);
  if (at < size) return order;
  let silent = 1;
  for (let n = 2; n < size; n++) if ((spoke.get(order[n]) ?? 0) <= (spoke.get(order[silent]) ?? 0)) silent = n;
  const next = [...order];
  [next[silent], next[at]] = [order[at], order[silent]];
  return next;
}

/** How many pages there are, and what is on one; a page that is no more is the last. */
export function paged(order, size, page) {
  const pages = Math.max(1, Math.ceil(order.length / size)), shown = Math.min(page, pages - 1);
  return { pages, page: shown, items: order.slice(shown * size, (shown + 1) * size) };
}
