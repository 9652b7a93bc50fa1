/** What is counted of jobs, by name. */
export type JobFigures = Readonly<
  Record<
    string,
    {
      /** By outcome. */
      readonly runs: Readonly<Partial<Record<string, number>>>;
      /** What they removed or compressed in all. */
      readonly total: number;
      readonly last: { readonly started: string; readonly ms: number } | null;
    }
  >
>;
