import type { LoggedCall } from '@vaultplane/aws-emulator/call-log.ts';
import type { OrderBook } from '@vaultplane/aws-emulator/order-book.ts';
import type { OrderedEmulator } from '@vaultplane/aws-emulator/ordered-emulator.ts';
import type { BackendHarness } from './backend-contract.ts';

type Emulator<C extends LoggedCall, M extends object> = OrderedEmulator<C, M, OrderBook<C, M>> & {
  start(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * The part of a harness that is alike for all emulators.
 *
 * @param secrets matches the calls for secrets
 * @param failure the name of an error of the server's own
 */
export function misbehaving<C extends LoggedCall, M extends object>(
  emulator: Emulator<C, M>,
  secrets: M,
  failure: string,
) {
  let isDown = false;
  const during = (order: { release(): void }) => () => order.release();
  return {
    unreachable: async () => {
      await emulator.stop();
      isDown = true;
      return async () => {
        await emulator.start();
        isDown = false;
      };
    },
    silent: () => {
      emulator.resetCalls();
      const order = emulator.order({ match: secrets, behaviour: { kind: 'hang' } });
      return { undo: during(order), arrived: () => emulator.waitForCalls(secrets) };
    },
    garbage: (body: string, status: number) =>
      during(emulator.order({ match: secrets, behaviour: { kind: 'garbage', status, body } })),
    failing: () => during(emulator.order({ match: secrets, behaviour: { kind: 'error', status: 500, code: failure } })),
    throttling: () => during(emulator.order({ match: secrets, behaviour: { kind: 'throttle' } })),
    calls: () => emulator.calls(secrets).length,
    async stop() {
      if (!isDown) await emulator.stop();
    },
  } satisfies Partial<BackendHarness>;
}
