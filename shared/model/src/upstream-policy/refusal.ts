import { BackendError } from '../errors/backend-error.ts';
import { describeCarried, type UpstreamUse } from './carried.ts';
import { printDestination } from './destination.ts';
import { type GrantForm, grantsFor } from './grant.ts';

/** A vault that the control plane gave is not used as it says: the node's own settings do not let it. */
export class PolicyRefusal extends BackendError {
  /** What would let it, as it stands in the list `grants` of upstream_policy; none where nothing may. */
  readonly grants: readonly GrantForm[];

  constructor(message: string, grants: readonly GrantForm[] = []) {
    super('unavailable', message);
    this.grants = grants;
  }

  /** The grants, ready to paste; undefined where nothing would help. */
  get grant(): string | undefined {
    return printGrants(this.grants);
  }
}

/** @param refused what may not go where, with nothing in it that may */
export function refusalFor(type: string, refused: readonly UpstreamUse[]): PolicyRefusal {
  const told = refused.map(({ destination, carries }) => {
    return `${carries.map(describeCarried).join(' and ')} go to ${printDestination(destination)}`;
  });
  return new PolicyRefusal(
    `upstream_policy of the data plane does not let ${told.join(', nor ')}`,
    grantsFor(type, refused),
  );
}

export function refusalOfAddress(host: string): PolicyRefusal {
  return new PolicyRefusal(
    `${host} is, or leads to, a link-local or metadata address: no vault that a control plane gives may lead there`,
  );
}

export function printGrants(grants: readonly GrantForm[]): string | undefined {
  return grants.length === 0 ? undefined : grants.map((grant) => JSON.stringify(grant)).join(',\n');
}
