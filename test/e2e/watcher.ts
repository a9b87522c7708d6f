import type { TestContext } from 'node:test';
import { EventSource } from 'eventsource';
import type { DataPlane } from './deployment.ts';

/** Watches a reference by server-sent events; `until` waits for a value to be told. */
export function watch(
  t: TestContext,
  dataPlane: DataPlane,
  reference: string,
): { until(value: string): Promise<void> } {
  const { token } = dataPlane;
  const source = new EventSource(`${dataPlane.apiUrl}/v1/watch?ref=${encodeURIComponent(reference)}`, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
  });
  t.after(() => source.close());
  const seen = new Set<string>();
  let wake = () => {};
  source.addEventListener('value', ({ data }) => {
    seen.add((JSON.parse(data) as { value: string }).value);
    wake();
  });
  return {
    async until(value) {
      while (!seen.has(value)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
