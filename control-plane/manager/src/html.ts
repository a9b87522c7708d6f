import htm from 'htm';
import { h, type VNode } from 'preact';

/** Templates in place of JSX, so that sources run as they are. */
export const html = (
  htm as unknown as { bind: (factory: typeof h) => (strings: TemplateStringsArray, ...values: unknown[]) => VNode }
).bind(h);
