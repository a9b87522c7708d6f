#!/usr/bin/env node
// Screenshots of every page of the manager, in light and dark, at the sizes of a telephone, a laptop and a 4K screen, to
// be looked at: node test/manager/screenshots.ts [FOLDER [SIMULATED]]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { noBrowser } from './manager-browser.ts';
import { ManagerScene } from './manager-scene.ts';
import { VERSIONS } from './simulated-fleet.ts';

const folder = process.argv[2] ?? 'data/screenshots';
const simulated = Number(process.argv[3] ?? 1000);
const SIZES = { laptop: [1440, 900], phone: [360, 780], wide: [3840, 2160] } as const;
const PLACES = {
  fleet: '#/fleet',
  vaults: '#/vaults',
  'vault-editor': '#/vaults/edit/aws-eu',
  references: '#/references',
  outages: '#/outages',
  rehearsed: '#/outages',
  history: '#/history',
  version: '#/history/2',
  audit: '#/audit',
};

const DRILLS = [
  ['cp-killed', true],
  ['cp-and-aws-down', true],
  ['disk-full', true],
  ['link-lossy', false, 'a lookup failed: unavailable, 2.1 s after the link began to lose packets'],
  ['aws-outage', false, 'payments/acquirer is not held; it was wanted 3 times'],
  ['cp-outage', true],
] as const;

if (noBrowser) {
  process.stderr.write(`screenshots: ${noBrowser}\n`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const scene = await ManagerScene.start(simulated);
try {
  const { members } = scene.fleet;
  // Something to see: a rotation half way, an outage of AWS for some, one that rejects, some that have gone.
  for (const [index, member] of members.entries()) {
    if (index % 5 < 3) member.holds(VERSIONS[1], 'fresh');
    else if (index % 41 === 3) member.holds(VERSIONS[0], 'resurrected', Math.floor(Date.now() / 1000) - 4000);
  }
  const hour = 3_600_000;
  for (const [index, [name, passed, problem]] of DRILLS.entries()) {
    const ended = Date.now() - (DRILLS.length - index) * 5 * hour;
    await scene.call('POST', '/drills', {
      ...{ name, passed, host: 'drills.internal', problems: problem ? [problem] : [] },
      ...{
        started_at: new Date(ended - 90_000 * (index + 1)),
        ended_at: new Date(ended),
        lookups: 41_210 + 977 * index,
      },
      ...(name.endsWith('outage') ? {} : { wrong_answers: 0, longest_gap_ms: 120 + index * 31 }),
      ...(name.endsWith('outage') ? {} : { longest_staleness_ms: 900 * index }),
    });
  }
  members[7]?.rejects('payments', 'this release knows no vault of this kind');
  for (const member of members.splice(20, 4)) await member.stop();
  for (const theme of ['light', 'dark'] as const) {
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      const page = await scene.open({ width, height, theme });
      await page.goto(scene.url);
      await page.getByLabel('Token of the Admin API').waitFor();
      await page.screenshot({ path: join(folder, `sign-in-${size}-${theme}.png`) });
      await scene.signIn(page);
      for (const [name, place] of Object.entries(PLACES)) {
        await page.evaluate(`location.hash = ${JSON.stringify(place)}`);
        await page.locator('main h1').first().waitFor();
        await page.locator('.skeleton').first().waitFor({ state: 'hidden' });
        // The chart's samples come every five seconds; it is drawn with what there is.
        await page.waitForTimeout(400);
        if (name === 'rehearsed') {
          const below = page.getByRole('heading', { name: 'Rehearsed' });
          await below.evaluate((heading) => (heading as unknown as { scrollIntoView(): void }).scrollIntoView());
        }
        await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) });
        if (name === 'version') await page.keyboard.press('Escape');
        process.stdout.write(`${name}-${size}-${theme}.png\n`);
      }
      await page.context().close();
    }
  }
} finally {
  await scene.stop();
}
