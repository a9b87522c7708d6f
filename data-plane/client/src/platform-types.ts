// Types of Node.js's globals for the declarations of this package. These depend on no other package: a program that is
// compiled without @types/node, or without the DOM's types, gets what stands behind the colon.

type Global = typeof globalThis;

/** Node.js's Buffer. */
export type Bytes = Global extends { Buffer: { from(text: string): infer B extends Uint8Array } } ? B : Uint8Array;

export type Signal = Global extends { AbortSignal: { prototype: infer S extends object } }
  ? S
  : { readonly aborted: boolean };

export type Url = Global extends { URL: { prototype: infer U extends object } } ? U : { readonly href: string };

declare global {
  // As TypeScript's own `esnext.disposable` has them, for programs that are compiled for an older ECMAScript.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
}
