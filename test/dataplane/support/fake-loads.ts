import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import {
  addRow,
  errorField,
  type LoadError,
  type LoadRow,
  loadField,
  loadWidth,
} from "../../../src/telemetry/load/fields.ts";
import { LoadStatsResponseSchema } from "../../../src/xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { decodeLoadReport, loadStatsPath } from "../../../src/xds/load-report.ts";

type Call = ServerDuplexStream<Buffer, Buffer>;

/** What an engine reported, added up since the start. */
export class FakeLoads extends EventEmitter<{ report: [] }> {
  readonly #rows = new Map<string, LoadRow>();
  readonly #calls = new Set<Call>();
  reports = 0;
  streams = 0;

  register(server: Server): void {
    const same = (bytes: Buffer): Buffer => bytes;
    server.register(loadStatsPath, (call: Call) => this.#serve(call), same, same, "bidi");
  }

  /** Resolves when the sums are as wanted; fails after 10 s. */
  async until(isWanted: () => boolean, what: string): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    while (!isWanted()) {
      await once(this, "report", { signal }).catch(() =>
        assert.fail(`never reported: ${what}; ${JSON.stringify([...this.#rows.keys()])}`),
      );
    }
  }

  /** Ends the streams, not the service. */
  cut(): void {
    for (const call of this.#calls) call.end();
  }

  field(zone: string | undefined, field: keyof typeof loadField): number {
    return this.#rows.get(zone ?? "")?.[loadField[field]] ?? 0;
  }

  errors(zone: string | undefined, kind: LoadError): number {
    return this.#rows.get(zone ?? "")?.[errorField(kind)] ?? 0;
  }

  /** All counts of a histogram. */
  counted(zone: string, from: "connect" | "firstByte"): number {
    const at = loadField[from];
    return (
      this.#rows
        .get(zone)
        ?.slice(at, at + 25)
        .reduce((sum, count) => sum + count, 0) ?? 0
    );
  }

  #serve(call: Call): void {
    this.#calls.add(call);
    this.streams += 1;
    call.on("error", () => {});
    call.on("close", () => this.#calls.delete(call));
    call.on("data", (bytes: Buffer) => {
      const decoded = decodeLoadReport(bytes);
      assert.equal(decoded.t, "ok");
      if (decoded.t !== "ok") return;
      if (decoded.value.node !== undefined) call.write(response);
      else this.reports += 1;
      for (const { zone, row } of decoded.value.loads) this.#add(zone ?? "", row);
      this.emit("report");
    });
    call.on("end", () => call.end());
  }

  #add(zone: string, row: LoadRow): void {
    const sum = this.#rows.get(zone) ?? new Float64Array(loadWidth);
    this.#rows.set(zone, sum);
    addRow(sum, row);
    sum[loadField.active] = row[loadField.active] ?? 0;
  }
}

const response: Buffer = Buffer.from(
  toBinary(
    LoadStatsResponseSchema,
    create(LoadStatsResponseSchema, {
      sendAllClusters: true,
      loadReportingInterval: { nanos: 100_000_000 },
    }),
  ),
);
