import { errorMessage } from '@vaultplane/platform/errors.ts';

/** One thing that `check` looked at. */
export interface Finding {
  what: string;
  ok: boolean;
  says: string;
  /** The same for programs, where there is more to it. */
  facts?: Record<string, unknown>;
}

/** What a look at something says, or the error that it ends in. */
export async function finding(what: string, look: () => Promise<string> | string): Promise<Finding> {
  try {
    return { what, ok: true, says: await look() };
  } catch (error) {
    return { what, ok: false, says: errorMessage(error) };
  }
}

/** A finding as a line. */
export function describeFinding({ what, ok, says }: Finding): string {
  return `${ok ? 'ok    ' : 'FAILED'}  ${what}: ${says}`;
}
