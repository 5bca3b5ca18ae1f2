import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { healthOf, type Registered } from "../../../src/discovery/registration/registered.ts";
import type { Arrival } from "../../../src/discovery/registration/registered-book.ts";
import {
  awaitMs,
  createRegisteredBook,
  type RegisteredBook,
} from "../../../src/discovery/registration/registered-book.ts";
import type { WorkloadGroup } from "../../../src/mesh/workload-group.ts";
import { arrivalOf, group } from "./some-group.ts";

const minuteMs = 60_000;

/** One member's agents share a wall clock, here as in life more or less. */
class World {
  nowMs = 0;
  group: WorkloadGroup | undefined = group;

  book(holder: string): RegisteredBook {
    return createRegisteredBook({
      holder,
      groupOf: (id) => (id === group.id ? this.group : undefined),
      monotonicMs: () => this.nowMs,
      nowMs: () => 1_000_000 + this.nowMs,
    });
  }

  /** In steps, as timers do it. */
  pass(ms: number, ...books: readonly RegisteredBook[]): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 1000);
      for (const book of books) book.tick();
    }
  }

  health(book: RegisteredBook, { key }: Pick<Arrival, "key">): string {
    const entry = book.get(key);
    if (entry === undefined) return "unknown";
    return healthOf(entry, { group, nowMs: this.nowMs }) ?? "gone";
  }
}

const [one, two, three, four, five] = [1, 2, 3, 4, 5].map((n) => arrivalOf(n)) as [
  Arrival,
  Arrival,
  Arrival,
  Arrival,
  Arrival,
];
const all = [one, two, three, four, five];

suite("a workload's stream is lost", () => {
  test("it drains at once, is dead after the group's grace, and forgotten later", () => {
    const world = new World();
    const book = world.book("a");
    for (const each of all) book.arrive(each);
    book.lose(one.key, one.key);
    assert.equal(world.health(book, one), "draining");
    world.pass(minuteMs - 1000, book);
    assert.equal(world.health(book, one), "draining");
    book.takeChanged();
    world.pass(1000, book);
    assert.equal(world.health(book, one), "unhealthy");
    assert.deepEqual([...book.takeChanged()], [group.id], "said once");
    world.pass(1000, book);
    assert.equal(book.takeChanged().size, 0);
    world.pass(58 * minuteMs, book);
    assert.equal(world.health(book, one), "unhealthy");
    world.pass(minuteMs, book);
    assert.equal(world.health(book, one), "gone");
    assert.equal(world.health(book, two), "healthy");
    world.pass(10 * minuteMs, book);
    assert.equal(book.get(one.key), undefined);
  });

  test("one that was unhealthy stays so", () => {
    const world = new World();
    const book = world.book("a");
    book.arrive({ ...one, stated: "unhealthy" });
    book.lose(one.key, one.key);
    assert.equal(world.health(book, one), "unhealthy");
  });

  test("it comes back, elsewhere even: the same entry, with what its checks said last", () => {
    const world = new World();
    const book = world.book("a");
    book.arrive({ ...one, stated: "unhealthy" });
    book.lose(one.key, one.key);
    world.pass(2 * minuteMs, book);
    book.arrive({ ...one, address: "10.0.0.99", stated: undefined });
    assert.equal(book.size(), 1);
    assert.equal(book.get(one.key)?.address, "10.0.0.99");
    assert.equal(world.health(book, one), "unhealthy", "until the check has answered again");
    assert.deepEqual(book.at(one.address), []);
    book.say(one.key, { stated: "healthy", reason: "" });
    assert.equal(world.health(book, one), "healthy");
  });

  test("two of two are just that", () => {
    const world = new World();
    const book = world.book("a");
    for (const each of [one, two]) book.arrive(each);
    for (const each of [one, two]) book.lose(each.key, each.key);
    assert.equal(world.health(book, one), "draining");
    assert.deepEqual(book.held(), []);
  });
});

suite("most are lost at once", () => {
  const lostTogether = (world: World, book: RegisteredBook): void => {
    for (const each of all) book.arrive(each);
    for (const each of [one, two, three]) {
      book.lose(each.key, each.key);
      world.pass(1000, book);
    }
  };

  test("they are held as they were, the first ones too, and nobody is forgotten", () => {
    const world = new World();
    const book = world.book("a");
    lostTogether(world, book);
    for (const each of all) assert.equal(world.health(book, each), "healthy");
    assert.equal(book.held().length, 3);
    book.lose(four.key, four.key);
    assert.equal(book.held().length, 4, "who follows belongs to them");
    world.pass(3 * 60 * minuteMs, book);
    assert.equal(book.held().length, 4);
    assert.equal(world.health(book, one), "healthy");
  });

  test("when half of them are back, the others are just lost", () => {
    const world = new World();
    const book = world.book("a");
    lostTogether(world, book);
    book.arrive(one);
    world.pass(1000, book);
    assert.equal(world.health(book, two), "healthy", "two of three are away");
    book.arrive(two);
    world.pass(1000, book);
    assert.equal(world.health(book, three), "draining");
    world.pass(minuteMs, book);
    assert.equal(world.health(book, three), "unhealthy");
  });

  test("after a day without them they are lost, and then forgotten", () => {
    const world = new World();
    const book = world.book("a");
    lostTogether(world, book);
    world.pass(24 * 60 * minuteMs, book);
    assert.equal(world.health(book, one), "draining");
    world.pass(60 * minuteMs, book);
    assert.equal(world.health(book, one), "gone");
  });

  test("one certificate that drops several streams is one loss", () => {
    const world = new World();
    const book = world.book("a");
    for (const each of all) book.arrive(each);
    for (const each of [one, two, three, four]) book.lose(each.key, "the same");
    assert.deepEqual(book.held(), []);
    assert.equal(world.health(book, one), "draining");
  });

  test("losses one after the other over minutes are no mass", () => {
    const world = new World();
    const book = world.book("a");
    for (const each of all) book.arrive(each);
    for (const each of [one, two, three]) {
      book.lose(each.key, each.key);
      world.pass(11_000, book);
    }
    assert.deepEqual(book.held(), []);
  });
});

suite("an agent starts again", () => {
  const kept = (book: RegisteredBook): readonly Registered[] => [...book.all()];

  test("nobody is deregistered; who does not come back is lost after a while", () => {
    const world = new World();
    const before = world.book("a");
    for (const each of all) before.arrive(each);
    const book = world.book("a2");
    book.merge(kept(before));
    book.adopt(() => true);
    for (const each of all) assert.equal(world.health(book, each), "healthy");
    for (const each of [one, two, three]) book.arrive(each);
    world.pass(awaitMs - 1000, book);
    assert.equal(world.health(book, four), "healthy");
    world.pass(1000, book);
    assert.equal(world.health(book, four), "draining");
    assert.equal(world.health(book, one), "healthy");
  });

  test("when most do not come back they are held", () => {
    const world = new World();
    const before = world.book("a");
    for (const each of all) before.arrive(each);
    const book = world.book("a2");
    book.merge(kept(before));
    book.adopt(() => true);
    book.arrive(one);
    world.pass(awaitMs + minuteMs, book);
    assert.equal(book.held().length, 4);
    assert.equal(world.health(book, five), "healthy");
  });
});

suite("two agents of one member", () => {
  const share = (from: RegisteredBook, to: RegisteredBook): void => to.merge([...from.all()]);

  test("know the same, and a workload that goes over is one entry", () => {
    const world = new World();
    const [a, b] = [world.book("a"), world.book("b")];
    a.arrive(one);
    share(a, b);
    assert.equal(world.health(b, one), "healthy");
    b.arrive({ ...one, address: "10.0.0.99" });
    share(b, a);
    a.lose(one.key, one.key);
    assert.equal(world.health(a, one), "healthy", "its stream at the first one means nothing now");
    assert.equal(a.get(one.key)?.address, "10.0.0.99");
    share(a, b);
    assert.equal(b.get(one.key)?.holder, "b");
  });

  test("what one says of an entry counts at the other, whichever comes first", () => {
    const world = new World();
    const [a, b] = [world.book("a"), world.book("b")];
    a.arrive(one);
    share(a, b);
    a.say(one.key, { stated: "unhealthy", reason: "http 500" });
    share(b, a);
    share(a, b);
    for (const book of [a, b]) assert.equal(world.health(book, one), "unhealthy");
    b.say(one.key, { stated: "healthy", reason: "" });
    assert.equal(world.health(b, one), "unhealthy", "it is not b's to say");
  });

  test("what has left does not come back from the one that still knew it", () => {
    const world = new World();
    const [a, b] = [world.book("a"), world.book("b")];
    a.arrive(one);
    share(a, b);
    a.leave(one.key);
    assert.equal(world.health(a, one), "draining");
    a.forget(one.key);
    share(b, a);
    assert.equal(world.health(a, one), "gone");
    share(a, b);
    assert.equal(world.health(b, one), "gone");
    world.pass(10 * minuteMs, a, b);
    share(b, a);
    assert.equal(a.size() + b.size(), 0);
  });

  test("who is gone for good leaves its workloads to the other, which waits for them", () => {
    const world = new World();
    const [a, b] = [world.book("a"), world.book("b")];
    for (const each of all) a.arrive(each);
    share(a, b);
    for (const each of [one, two, three]) b.arrive(each);
    b.adopt((holder) => holder === "a");
    world.pass(awaitMs, b);
    assert.equal(world.health(b, four), "draining");
    assert.equal(world.health(b, one), "healthy");
  });
});

suite("an account that has all the room it may have", () => {
  const full = (book: RegisteredBook): void => {
    for (let n = 0; n < 2000; n += 1) {
      const instance = n.toString(16).padStart(32, "0");
      book.arrive(arrivalOf(1, { key: `shop cart ${instance}`, instance }));
    }
  };

  test("lets go of one that is silent, and of none that is there", () => {
    const world = new World();
    const book = world.book("a");
    full(book);
    assert.equal(book.makeRoom("shop cart new"), false);
    assert.equal(book.makeRoom("shop cart 00000000000000000000000000000005"), true, "it is there");
    book.lose(
      "shop cart 00000000000000000000000000000009",
      "shop cart 00000000000000000000000000000009",
    );
    assert.equal(book.makeRoom("shop cart new"), true);
    assert.equal(book.get("shop cart 00000000000000000000000000000009"), undefined);
    assert.equal(book.size(), 1999);
  });

  test("leaves room to others", () => {
    const world = new World();
    const book = world.book("a");
    full(book);
    assert.equal(book.makeRoom("shop billing one"), true);
  });
});
