import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUnlocking, newPortal, stepPortal } from '#bridge/door/portal.ts';
import {
  type Portal,
  type PortalEffect,
  type PortalInput,
  type PortalRules,
} from '#bridge/door/portal-state.ts';

const rules: PortalRules = {
  accessTimeSeconds: 5,
  extendedAccessTimeSeconds: 15,
  relock: 'onClose',
  heldOpenSeconds: 30,
  preAlarmSeconds: 10,
  firstPersonIn: true,
  rexIgnoreMs: 1000,
};

/** A door that is driven by inputs and by its own deadlines. */
class Driven {
  portal: Portal = newPortal(0);
  nowMs = 0;
  deadlineMs: number | null = null;
  readonly effects: PortalEffect[] = [];
  readonly #rules: PortalRules;

  constructor(changed: Partial<PortalRules> = {}) {
    this.#rules = { ...rules, ...changed };
  }

  input(input: PortalInput): PortalEffect[] {
    const step = stepPortal(this.portal, input, this.#rules, this.nowMs);
    this.portal = step.state;
    this.deadlineMs = step.deadlineMs;
    this.effects.push(...step.effects);
    return [...step.effects];
  }

  until(toMs: number): void {
    while (this.deadlineMs !== null && this.deadlineMs <= toMs) {
      this.nowMs = this.deadlineMs;
      this.input({ kind: 'timer' });
    }
    this.nowMs = toMs;
  }

  get facts(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === 'event' ? [effect.fact] : []));
  }
}

const closed: PortalInput = { kind: 'contact', open: false };
const opened: PortalInput = { kind: 'contact', open: true };
const grant: PortalInput = { kind: 'grant', extended: false };
const rex: PortalInput = { kind: 'rex', active: true };
const rexEnd: PortalInput = { kind: 'rex', active: false };

function shutDoor(changed: Partial<PortalRules> = {}): Driven {
  const door = new Driven(changed);
  door.input(closed);
  return door;
}

describe('a door', () => {
  it('releases for the access time after a grant and says that nobody entered', () => {
    const door = shutDoor();
    door.input(grant);
    expect(door.portal).toMatchObject({ state: 'granted', released: true });
    door.until(4999);
    expect(door.portal.released).toBe(true);
    door.until(5000);
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
    expect(door.facts).toEqual(['notEntered']);
  });

  it('stays released longer for those who need longer', () => {
    const door = shutDoor();
    door.input({ kind: 'grant', extended: true });
    door.until(14_999);
    expect(door.portal.released).toBe(true);
    door.until(15_000);
    expect(door.portal.released).toBe(false);
  });

  it('reports the entry and locks when the door closes', () => {
    const door = shutDoor();
    door.input(grant);
    door.nowMs = 2000;
    door.input(opened);
    expect(door.portal).toMatchObject({ state: 'open', released: true });
    door.until(6000);
    expect(door.portal.released).toBe(true);
    door.input(closed);
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
    expect(door.facts).toEqual(['entered']);
  });

  it('locks when the door opens where that is configured', () => {
    const door = shutDoor({ relock: 'onOpen' });
    door.input(grant);
    door.input(opened);
    expect(door.portal).toMatchObject({ state: 'open', released: false });
  });

  it('warns before it has stood open for too long, then alarms, then reports that it is shut', () => {
    const door = shutDoor();
    door.input(grant);
    door.input(opened);
    door.until(20_000);
    expect(door.portal.state).toBe('preAlarm');
    door.until(30_000);
    expect(door.portal).toMatchObject({ state: 'heldOpen', released: false });
    door.input(closed);
    expect(door.facts).toEqual(['entered', 'preAlarm', 'heldOpen', 'restored']);
    expect(door.portal.state).toBe('secure');
  });

  it('alarms when it is opened without a grant, and reports that it is shut', () => {
    const door = shutDoor();
    door.input(opened);
    expect(door.portal.state).toBe('forcedOpen');
    door.input(closed);
    expect(door.facts).toEqual(['forcedOpen', 'restored']);
  });

  it('lets people out without an alarm', () => {
    const door = shutDoor();
    door.input(rex);
    expect(door.portal).toMatchObject({ state: 'egress', released: true });
    door.input(opened);
    door.input(rexEnd);
    door.input(closed);
    expect(door.facts).toEqual(['egress']);
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
  });

  it.each(['lockdown', 'locked', 'cardOnly', 'unlocked'] as const)('lets people out in mode %s', (mode) => {
    const door = shutDoor({ firstPersonIn: false });
    door.input(mode === 'lockdown' ? { kind: 'lockdown' } : { kind: 'schedule', mode });
    door.input(rex);
    expect(door.portal.released).toBe(true);
  });

  it('does not take the sensor for an exit when somebody comes in and shuts the door', () => {
    const door = shutDoor();
    door.input(grant);
    door.input(opened);
    door.input(rex);
    door.nowMs = 3000;
    door.input(closed);
    door.input(rexEnd);
    door.until(10_000);
    expect(door.portal.released).toBe(false);
    expect(door.facts).toEqual(['entered']);
  });

  it('opens for somebody who still stands at the exit after the sensor was ignored', () => {
    const door = shutDoor();
    door.input(grant);
    door.input(opened);
    door.input(closed);
    door.input(rex);
    expect(door.portal.released).toBe(false);
    door.until(1000);
    expect(door.portal).toMatchObject({ state: 'egress', released: true });
  });

  it('keeps the way out open for as long as somebody asks for it', () => {
    const door = shutDoor();
    door.input(rex);
    door.until(60_000);
    expect(door.portal.released).toBe(true);
    door.input(rexEnd);
    door.until(70_000);
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
    expect(door.facts).toEqual(['egress']);
  });
});

describe('a door with a mode', () => {
  it('refuses cards and people at a screen in a lockdown, and takes an open grant back', () => {
    const door = shutDoor();
    door.input(grant);
    door.input({ kind: 'lockdown' });
    expect(door.portal).toMatchObject({ state: 'secure', released: false, mode: 'lockdown' });
    door.input(grant);
    door.input({ kind: 'remoteGrant', durationMs: 5000 });
    expect(door.portal.released).toBe(false);
    door.input({ kind: 'endOverride' });
    door.input(grant);
    expect(door.portal.released).toBe(true);
  });

  it('opens a door that its schedule has locked only for a person at a screen', () => {
    const door = shutDoor();
    door.input({ kind: 'schedule', mode: 'locked' });
    door.input(grant);
    expect(door.portal.released).toBe(false);
    door.input({ kind: 'remoteGrant', durationMs: 8000 });
    door.until(7999);
    expect(door.portal.released).toBe(true);
    door.until(8000);
    expect(door.portal.released).toBe(false);
  });

  it('unlocks by schedule only after the first authorised person is in', () => {
    const door = shutDoor();
    door.input({ kind: 'schedule', mode: 'unlocked' });
    expect(door.portal).toMatchObject({ mode: 'controlled', released: false });
    door.input(grant);
    expect(door.portal.mode).toBe('controlled');
    door.input(opened);
    expect(door.portal).toMatchObject({ mode: 'unlocked', state: 'unlocked', released: true });
    door.input(closed);
    door.input(opened);
    door.input(closed);
    expect(door.facts).toEqual(['entered', 'modeChanged']);
    door.input({ kind: 'schedule', mode: 'controlled' });
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
    door.input({ kind: 'schedule', mode: 'unlocked' });
    expect(door.portal.released).toBe(false);
  });

  it('times a door that stands open when its schedule ends', () => {
    const door = shutDoor({ firstPersonIn: false });
    door.input({ kind: 'schedule', mode: 'unlocked' });
    door.input(opened);
    door.input({ kind: 'schedule', mode: 'controlled' });
    expect(door.portal.state).toBe('open');
    door.until(30_000);
    expect(door.portal).toMatchObject({ state: 'heldOpen', released: false });
  });

  it('holds open until the moment that staff gave, and fire wins over a lockdown', () => {
    const door = shutDoor();
    door.input({ kind: 'holdOpen', untilMs: 9000 });
    expect(door.portal).toMatchObject({ mode: 'heldOpen', released: true });
    door.until(9000);
    expect(door.portal).toMatchObject({ mode: 'controlled', released: false });
    door.input({ kind: 'lockdown' });
    door.input({ kind: 'fire', active: true });
    expect(door.portal).toMatchObject({ mode: 'fireRelease', released: true });
    door.input({ kind: 'fire', active: false });
    expect(door.portal).toMatchObject({ mode: 'lockdown', released: false });
  });
});

describe('the contact and the signals of a door', () => {
  it('knows neither entries nor alarms where no contact is wired', () => {
    const door = new Driven();
    door.input(grant);
    door.until(60_000);
    expect(door.portal).toMatchObject({ state: 'secure', released: false });
    expect(door.facts).toEqual([]);
  });

  it('does not call a door forced that stands open at the start', () => {
    const door = new Driven();
    door.input(opened);
    expect(door.portal).toMatchObject({ state: 'open', released: false });
    expect(door.facts).toEqual([]);
    door.until(30_000);
    expect(door.facts).toEqual(['preAlarm', 'heldOpen']);
  });

  it('opens for a card although the contact is stuck at open, and locks again', () => {
    const door = shutDoor();
    door.input(opened);
    door.input(grant);
    expect(door.portal).toMatchObject({ state: 'forcedOpen', released: true });
    door.until(5000);
    expect(door.portal).toMatchObject({ state: 'forcedOpen', released: false });
  });

  it('reports tampering once for each of its sources, and its end', () => {
    const door = shutDoor();
    door.input({ kind: 'tamper', source: '', active: true });
    door.input({ kind: 'tamper', source: '', active: true });
    door.input({ kind: 'tamper', source: 'outside', active: true });
    door.input({ kind: 'tamper', source: '', active: false });
    expect(door.facts).toEqual(['tamper', 'tamper', 'tamperEnded']);
    door.input({ kind: 'tamper', source: 'outside', active: false });
    expect(door.facts).toEqual(['tamper', 'tamper', 'tamperEnded', 'tamperEnded']);
  });

  it('is written down before it releases, and locks before that is written down', () => {
    const door = shutDoor();
    const exit = door.input(rex).map((effect) => effect.kind);
    expect(exit.indexOf('event')).toBeLessThan(exit.indexOf('strike'));
    door.input({ kind: 'lockdown' });
    door.input(rexEnd);
    const fresh = shutDoor();
    fresh.input(grant);
    fresh.nowMs = 5000;
    const end = fresh.input({ kind: 'timer' }).map((effect) => effect.kind);
    expect(end.indexOf('strike')).toBeLessThan(end.indexOf('event'));
  });

  it('shows and sounds a grant, a refusal and an alarm', () => {
    const door = shutDoor();
    expect(door.input(grant)).toContainEqual({ kind: 'led', pattern: 'granted' });
    expect(door.input({ kind: 'denied' })).toContainEqual({ kind: 'buzzer', pattern: 'denied' });
    door.until(6000);
    expect(door.input(opened)).toContainEqual({ kind: 'buzzer', pattern: 'alarm' });
    expect(door.input(closed)).toContainEqual({ kind: 'buzzer', pattern: 'silent' });
  });
});

const anyInput: fc.Arbitrary<PortalInput> = fc.oneof(
  fc.record({ kind: fc.constant('grant' as const), extended: fc.boolean() }),
  fc.record({
    kind: fc.constant('remoteGrant' as const),
    durationMs: fc.integer({ min: 1000, max: 300_000 }),
  }),
  fc.constant({ kind: 'denied' as const }),
  fc.record({ kind: fc.constant('rex' as const), active: fc.boolean() }),
  fc.record({ kind: fc.constant('contact' as const), open: fc.boolean() }),
  fc.record({
    kind: fc.constant('tamper' as const),
    source: fc.constantFrom('', 'outside'),
    active: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('fire' as const), active: fc.boolean() }),
  fc.record({
    kind: fc.constant('schedule' as const),
    mode: fc.constantFrom('unlocked' as const, 'cardOnly' as const, 'locked' as const, 'controlled' as const),
  }),
  fc.constant({ kind: 'lockdown' as const }),
  fc.record({ kind: fc.constant('holdOpen' as const), untilMs: fc.integer({ min: 0, max: 400_000 }) }),
  fc.constant({ kind: 'endOverride' as const }),
  fc.constant({ kind: 'timer' as const }),
);
const anyRun = fc.array(fc.record({ input: anyInput, afterMs: fc.integer({ min: 0, max: 40_000 }) }), {
  maxLength: 40,
});
const anyRules = fc.record({
  relock: fc.constantFrom('onOpen' as const, 'onClose' as const),
  firstPersonIn: fc.boolean(),
  preAlarmSeconds: fc.integer({ min: 0, max: 60 }),
  heldOpenSeconds: fc.integer({ min: 5, max: 60 }),
  rexIgnoreMs: fc.integer({ min: 0, max: 5000 }),
});

/** Runs, now and then with timers that come late, and looks at the door before and after every step. */
function run(
  changed: Partial<PortalRules>,
  steps: readonly { input: PortalInput; afterMs: number }[],
  look: (before: Portal, input: PortalInput, door: Driven, effects: readonly PortalEffect[]) => void,
): Driven {
  const door = new Driven(changed);
  for (const [index, { input, afterMs }] of steps.entries()) {
    if (index % 3 === 0) door.nowMs += afterMs;
    else door.until(door.nowMs + afterMs);
    const before = door.portal;
    look(before, input, door, door.input(input));
  }
  return door;
}

describe('whatever happens at a door', () => {
  it('releases only for a grant, an exit or a mode', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        run(changed, steps, (before, input, door) => {
          if (before.released || !door.portal.released) return;
          const isGrant = input.kind === 'grant' || input.kind === 'remoteGrant';
          expect(isGrant || door.portal.rexActive || isUnlocking(door.portal.mode)).toBe(true);
        });
      }),
    );
  });

  it('never releases a shut door in a lockdown but for an exit', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        run(changed, steps, (before, _input, door) => {
          if (door.portal.mode !== 'lockdown' || before.released) return;
          expect(door.portal.released && !door.portal.rexActive).toBe(false);
        });
      }),
    );
  });

  it('has its next deadline in the future', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        run(changed, steps, (_before, _input, door) => {
          if (door.deadlineMs !== null) expect(door.deadlineMs).toBeGreaterThan(door.nowMs);
        });
      }),
    );
  });

  it('locks again when nothing asks for it to be open, also with a broken contact', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        const door = run(changed, steps, () => undefined);
        door.input({ kind: 'fire', active: false });
        door.input({ kind: 'endOverride' });
        door.input({ kind: 'schedule', mode: 'controlled' });
        door.input({ kind: 'rex', active: false });
        door.until(door.nowMs + 400_000);
        expect(door.portal.released).toBe(false);
        expect(door.portal.state).not.toBe('granted');
      }),
    );
  });

  it('ends every alarm with its restoring event', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        const door = run(changed, steps, () => undefined);
        door.input({ kind: 'contact', open: true });
        door.input({ kind: 'contact', open: false });
        const ofDoor = door.effects.filter(
          (effect) =>
            effect.kind === 'event' &&
            (effect.fact === 'forcedOpen' ||
              effect.fact === 'heldOpen' ||
              (effect.fact === 'restored' && effect.follows === 'alarm')),
        );
        for (const [index, effect] of ofDoor.entries())
          expect(effect.kind === 'event' && effect.fact === 'restored').toBe(index % 2 === 1);
        expect(ofDoor.length % 2).toBe(0);
      }),
    );
  });

  it('lets out whoever asks for long enough', () => {
    fc.assert(
      fc.property(anyRules, anyRun, (changed, steps) => {
        const door = run(changed, steps, () => undefined);
        door.input({ kind: 'rex', active: true });
        door.until(door.nowMs + 5001);
        expect(door.portal.released).toBe(true);
      }),
    );
  });
});
