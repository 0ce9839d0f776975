import { describe, expect, it } from 'vitest';
import { BoundedCounters } from '#hub/http/serving/rate-limit.ts';

describe('the counters of the rate limits', () => {
  it('forget the callers that were longest away, so that strangers cannot fill the memory', () => {
    const counters = new BoundedCounters(100);
    for (let stranger = 0; stranger < 10_000; stranger += 1) {
      counters.set(`lan GET /api:10.0.${stranger}`, { remaining: 1 });
      if (!counters.has('lan GET /api:kiosk')) counters.set('lan GET /api:kiosk', { remaining: 5 });
      counters.get('lan GET /api:kiosk');
    }
    expect(counters.size).toBe(100);
    expect(counters.get('lan GET /api:kiosk')).toEqual({ remaining: 5 });
    expect(counters.has('lan GET /api:10.0.0')).toBe(false);
  });
});
