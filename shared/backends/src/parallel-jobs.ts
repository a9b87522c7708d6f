/** Does all of the jobs, at most so many at once, in their order. @throws what the first job throws that fails */
export async function inParallel(jobs: ReadonlyArray<() => Promise<void>>, limit: number): Promise<void> {
  const queue = jobs.values();
  await Promise.all(
    Array.from({ length: Math.min(limit, jobs.length) }, async () => {
      for (const job of queue) await job();
    }),
  );
}
