import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { Destination } from './destination.ts';

/** Something of the node's own that a call carries, or that what it carries was made from. */
export type Carried =
  /** What a reference to a vault of the settings stands for. */
  | { kind: 'reference'; reference: string }
  /** What is in a file. */
  | { kind: 'file'; path: string }
  /** The token of the pod's service account, in its usual place. */
  | { kind: 'service_account_token' }
  /** The AWS or Google identity of the machine, by the type of the vault. */
  | { kind: 'identity' }
  /** A role that the AWS identity is to assume. */
  | { kind: 'role'; arn: string }
  /** Nothing that is sent, and as good as a destination: whom TLS takes for the server is for the vault to say. */
  | { kind: 'trust' }
  /** A request for a token, whose address the vault's credential names; the reference that this stands behind, if any. */
  | { kind: 'token_request'; reference?: string };

/** A destination of a vault, and what of the node's own goes there. */
export interface UpstreamUse {
  destination: Destination;
  /** Empty: nothing but what came with the vault itself. */
  carries: readonly Carried[];
}

/** A thing that is carried, for people. */
export function describeCarried(carried: Carried): string {
  switch (carried.kind) {
    case 'reference':
      return `what ${carried.reference} stands for`;
    case 'file':
      return `what is in ${shownPath(carried.path)}`;
    case 'service_account_token':
      return "the pod's service account token";
    case 'identity':
      return "the machine's own identity";
    case 'role':
      return `the role ${carried.arn}`;
    case 'trust':
      return 'anything under a ca_cert that the vault brings';
    case 'token_request':
      return 'a request for a token';
  }
}
