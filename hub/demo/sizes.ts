export const demoSizes = {
  small: { members: 400, events: 40_000 },
  // A little above, because what happens after the end of the year is left out.
  large: { members: 10_000, events: 1_004_000 },
} as const;
