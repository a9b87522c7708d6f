import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, Server } from 'node:http';
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { lookup } from '../names/lookup.ts';
import type { Tracing, TracingOptions } from './tracing.ts';

/** Source: W3C Trace Context, section 3.2. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Only open-tracing.ts imports this file, and only where traces are wanted. */
export function startTracing({ endpoint, program, version }: TracingOptions): Tracing {
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': program, 'service.version': version }),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint, httpAgentOptions: { keepAlive: true, lookup } })),
    ],
  });
  const tracer = provider.getTracer('vaultplane', version);
  const contexts = new AsyncLocalStorage<Context>();

  return {
    traceServer(server: Server, routes: readonly string[]) {
      // Before the server's own listener, so that what that one does is done in this span's context.
      server.prependListener('request', (request, response) => {
        const method = request.method ?? 'HTTP';
        const route = routeOf(request, routes);
        const attributes = { 'http.request.method': method, ...(route && { 'http.route': route }) };
        const name = route ? `${method} ${route}` : method;
        const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parentOf(request));
        contexts.enterWith(trace.setSpan(ROOT_CONTEXT, span));
        response.once('close', () => {
          span.setAttribute('http.response.status_code', response.statusCode);
          if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        });
      });
    },
    vaultCall({ operation, outcome, seconds }, type) {
      const endTime = Date.now();
      const attributes = {
        ...(type === 'aws' && { 'rpc.system': 'aws-api', 'rpc.service': 'SecretsManager', 'rpc.method': operation }),
        ...{ 'vaultplane.vault_type': type, 'vaultplane.operation': operation, 'vaultplane.outcome': outcome },
      };
      const options = { kind: SpanKind.CLIENT, startTime: endTime - seconds * 1000, attributes };
      const span = tracer.startSpan(
        type === 'aws' ? `SecretsManager.${operation}` : `${type}.${operation}`,
        options,
        contexts.getStore() ?? ROOT_CONTEXT,
      );
      if (outcome !== 'ok') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
      span.end(endTime);
    },
    async stop() {
      // What can't be delivered now is lost: a collector that is down keeps no program from stopping.
      await provider.shutdown().catch(() => {});
    },
  };
}

function routeOf({ url = '/' }: IncomingMessage, routes: readonly string[]): string | undefined {
  const [path] = url.split('?') as [string];
  return routes.find((route) => path === route || path.startsWith(`${route}/`));
}

function parentOf({ headers }: IncomingMessage): Context {
  const { traceparent } = headers;
  const [, traceId, spanId, flags] = (typeof traceparent === 'string' && TRACEPARENT.exec(traceparent)) || [];
  if (!traceId || !spanId || !flags) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}
