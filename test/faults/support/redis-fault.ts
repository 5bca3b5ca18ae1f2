import { type Fault, measureFault } from "./fault.ts";
import { openRedisStage, type RedisStage, type RedisStageOptions } from "./redis-stage.ts";

export type { Fault };

/** A fault of hubs that are one Redis server each. */
export function redisFault(
  name: string,
  title: string,
  options: RedisStageOptions,
  strike: (stage: RedisStage) => Promise<void>,
): Fault {
  return {
    name,
    title,
    run: async () => {
      await using stage = await openRedisStage(options);
      return await measureFault(stage.federation, () => strike(stage));
    },
  };
}
