import { useRef, useState } from 'preact/hooks';
import { errorText } from './admin-api.ts';

export interface Action {
  busy: boolean;
  /** What was wrong with the last run, in words. */
  error: string | null;
  /** Runs it; while one runs, nothing. Never rejects. */
  run: (act: () => Promise<void>) => Promise<void>;
}

/** What a button does: one run at a time, however often it is pressed, and what is wrong with it for whoever pressed it. */
export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; error: string | null }>({ busy: false, error: null });
  // Two clicks may come before the page is drawn again.
  const running = useRef(false);
  const run = async (act: () => Promise<void>) => {
    if (running.current) return;
    running.current = true;
    setState({ busy: true, error: null });
    let error: string | null = null;
    try {
      await act();
    } catch (thrown) {
      error = errorText(thrown);
    }
    running.current = false;
    setState({ busy: false, error });
  };
  return { ...state, run };
}
