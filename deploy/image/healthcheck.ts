// The image's HEALTHCHECK: `healthcheck.ts live` or `healthcheck.ts ready`. Asks whichever of the two programs runs in
// this container, by the status_listen that it was given or either program's default.

const path = `/status/${process.argv[2] ?? 'live'}`;
const given = process.env.VAULTPLANE_STATUS_LISTEN ?? process.env.KONG_STATUS_LISTEN;
const addresses =
  given === undefined
    ? ['127.0.0.1:8007', '127.0.0.1:8107']
    : [given.replace(/^(0\.0\.0\.0|\[::\]|\*)(?=:)/, '127.0.0.1')];

/** What is wrong at an address; undefined where all is well. */
async function problem(address: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(4000) });
    return answer.ok ? undefined : `${address} ${answer.status} ${(await answer.text()).trim()}`;
  } catch (error) {
    const { cause } = error as { cause?: Error };
    return `${address} ${cause?.message ?? (error as Error).message}`;
  }
}

const problems = await Promise.all(addresses.map(problem));
if (!problems.includes(undefined)) {
  process.stdout.write(`${problems.join('; ')}\n`);
  process.exitCode = 1;
}
