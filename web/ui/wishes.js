//! What is on the screen, as the room is asked for it: as high as it is shown, what matters first, no more than is wanted.

export const qualities = ['auto', 'save', 'sound'];
/** Save data: no picture is higher than this. */
const SAVING = { camera: 180, screen: 720 };
const PRIORITY = { large: 3, speaker: 2, other: 1 };

/**
 * @param {{participant: string, source: string, height: number, large: boolean}[]} tiles  `height` in pixels of the screen; 0 if hidden
 * @param {{quality: string, speakers: string[]}} how
 */
export function wishes(tiles, { quality, speakers }) {
  return tiles.map(({ participant, source, height, large }) => ({
    participant, source,
    height: quality === 'sound' ? 0 : quality === 'save' ? Math.min(height, SAVING[source] ?? SAVING.camera) : height,
    priority: large ? PRIORITY.large : speakers.includes(participant) ? PRIORITY.speaker : PRIORITY.other,
  }));
}
