import { agentMetrics } from "./agent-metrics.ts";
import { catalogMetrics } from "./catalog-metrics.ts";
import { engineMetrics } from "./engine-metrics.ts";
import { loadMetrics } from "./load-metrics.ts";
import { mcsMetrics } from "./mcs-metrics.ts";

type MetricTable = typeof agentMetrics &
  typeof catalogMetrics &
  typeof loadMetrics &
  typeof mcsMetrics &
  typeof engineMetrics;

/**
 * Every metric of every process, declared once: name, help, unit and the whole set of values each
 * label may have. `docs/metrics.md` is checked against it.
 */
export const metrics: MetricTable = {
  ...agentMetrics,
  ...catalogMetrics,
  ...loadMetrics,
  ...mcsMetrics,
  ...engineMetrics,
};

export type MetricKey = keyof MetricTable;
