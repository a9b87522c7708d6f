import type { Tracing, TracingOptions } from './tracing.ts';

/** Undefined where no endpoint is set; then nothing of OpenTelemetry's SDK is loaded. */
export async function openTracing(
  options: Omit<TracingOptions, 'endpoint'> & { endpoint: string | undefined },
): Promise<Tracing | undefined> {
  const { endpoint } = options;
  if (endpoint === undefined) return undefined;
  const { startTracing } = await import('./tracing-export.ts');
  return startTracing({ ...options, endpoint });
}
