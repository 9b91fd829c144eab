// Apache Curator. In flight, each completion issues the next request, so that no thread has to be woken for it.
// Commands and answers as in ../measure.h.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.BackgroundCallback;
import org.apache.curator.framework.api.CuratorWatcher;
import org.apache.curator.framework.api.transaction.CuratorOp;
import org.apache.curator.retry.RetryNTimes;

public final class CuratorDriver {
  static final byte[] VALUE = new byte[100];
  static final int WATCH_CONNECTIONS = 20;

  record Command(String kind, String connect, String root, double seconds, int count) {
    String node() {
      return root + "/node";
    }

    String child(int number) {
      return root + "/n" + number;
    }

    String host(int i) {
      String[] hosts = connect.split(",");
      return hosts[i % hosts.length];
    }
  }

  /** One run of one case. Used by one thread at a time. */
  static final class Measurement {
    private final long start = System.nanoTime();
    private final long end;
    private final long cpu = cpu();
    private long last = start;
    private long failed = 0;
    private long[] latencies = new long[1 << 16];
    private int count = 0;

    Measurement(double seconds) {
      end = start + (long) (seconds * 1e9);
    }

    void done(long begun, boolean ok, long told) {
      last = told;
      if (count == latencies.length) latencies = Arrays.copyOf(latencies, 2 * count);
      latencies[count++] = last - begun;
      if (!ok) ++failed;
    }

    boolean over() {
      return last >= end;
    }

    void print() {
      double used = (cpu() - cpu) / 1e9;
      Arrays.sort(latencies, 0, count);
      System.out.printf(
          Locale.ROOT,
          "{\"operations\": %d, \"failed\": %d, \"seconds\": %.6f, \"cpu\": %.6f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}%n",
          count, failed, (last - start) / 1e9, used, percentile(0.5), percentile(0.99));
      System.out.flush();
    }

    private double percentile(double part) {
      return latencies[(int) (part * (count - 1))] / 1e6;
    }

    private static long cpu() {
      return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
          .getProcessCpuTime();
    }
  }

  static CuratorFramework open(String connect) throws Exception {
    CuratorFramework client = CuratorFrameworkFactory.newClient(connect, 15_000, 10_000, new RetryNTimes(0, 1));
    client.start();
    if (!client.blockUntilConnected(10, TimeUnit.SECONDS)) throw new IllegalStateException("no session at " + connect);
    return client;
  }

  static List<CuratorOp> multi(CuratorFramework client, Command command, int number) throws Exception {
    return List.of(
        client.transactionOp().check().withVersion(-1).forPath(command.node()),
        client.transactionOp().setData().withVersion(-1).forPath(command.node(), VALUE),
        client.transactionOp().create().forPath(command.child(number), VALUE));
  }

  static void runSynchronous(CuratorFramework client, Command command) {
    Measurement measurement = new Measurement(command.seconds());
    for (int i = 0; !measurement.over(); ++i) {
      long begun = System.nanoTime();
      boolean ok = true;
      try {
        switch (command.kind()) {
          case "get" -> client.getData().forPath(command.node());
          case "set" -> client.setData().forPath(command.node(), VALUE);
          case "create" -> client.create().forPath(command.child(i), VALUE);
          default -> client.transaction().forOperations(multi(client, command, i));
        }
      } catch (Exception e) {
        ok = false;
      }
      measurement.done(begun, ok, System.nanoTime());
    }
    measurement.print();
  }

  /** Everything but the first requests and the end happens on the client's event thread. */
  static final class Pipeline {
    private final CuratorFramework client;
    private final Command command;
    private final AtomicInteger number = new AtomicInteger();
    private final CountDownLatch over;
    private final Measurement measurement;

    Pipeline(CuratorFramework client, Command command) {
      this.client = client;
      this.command = command;
      over = new CountDownLatch(command.count());
      measurement = new Measurement(command.seconds());
    }

    void run() throws Exception {
      for (int i = 0; i < command.count(); ++i) issue();
      over.await();
      measurement.print();
    }

    private void issue() throws Exception {
      long begun = System.nanoTime();
      int i = number.getAndIncrement();
      BackgroundCallback done = (unused, event) -> {
        measurement.done(begun, event.getResultCode() == 0, System.nanoTime());
        if (measurement.over()) {
          over.countDown();
        } else {
          issue();
        }
      };
      switch (command.kind()) {
        case "get" -> client.getData().inBackground(done).forPath(command.node());
        case "set" -> client.setData().inBackground(done).forPath(command.node(), VALUE);
        case "create" -> client.create().inBackground(done).forPath(command.child(i), VALUE);
        default -> client.transaction().inBackground(done).forOperations(multi(client, command, i));
      }
    }
  }

  /** Watchers that are told once and armed again. */
  static final class Watchers implements AutoCloseable {
    private final Command command;
    private final List<CuratorFramework> clients = new ArrayList<>();
    private final AtomicInteger untold = new AtomicInteger();
    private CountDownLatch allTold;
    private volatile long last;

    Watchers(Command command) throws Exception {
      this.command = command;
      for (int i = 0; i < WATCH_CONNECTIONS; ++i) clients.add(open(command.host(i)));
    }

    /** Returns when all are armed. */
    void arm() throws Exception {
      untold.set(command.count());
      allTold = new CountDownLatch(1);
      CountDownLatch armed = new CountDownLatch(command.count());
      for (int i = 0; i < command.count(); ++i) {
        // An object of its own for each: a client keeps a set of them.
        CuratorWatcher watcher = new CuratorWatcher() {
          @Override
          public void process(org.apache.zookeeper.WatchedEvent event) {
            if (untold.decrementAndGet() > 0) return;
            last = System.nanoTime();
            allTold.countDown();
          }
        };
        clients.get(i % WATCH_CONNECTIONS).getData().usingWatcher(watcher)
            .inBackground((unused, event) -> armed.countDown()).forPath(command.node());
      }
      if (!armed.await(30, TimeUnit.SECONDS)) throw new IllegalStateException("cannot watch");
    }

    long waitForLast() throws Exception {
      if (!allTold.await(30, TimeUnit.SECONDS)) throw new IllegalStateException("a watcher was not told");
      return last;
    }

    @Override
    public void close() {
      clients.forEach(CuratorFramework::close);
    }
  }

  static void runWatch(Command command) throws Exception {
    try (CuratorFramework changer = open(command.host(0));
        Watchers watchers = new Watchers(command)) {
      Measurement measurement = new Measurement(command.seconds());
      while (!measurement.over()) {
        watchers.arm();
        long begun = System.nanoTime();
        changer.setData().forPath(command.node(), VALUE);
        measurement.done(begun, true, watchers.waitForLast());
      }
      measurement.print();
    }
  }

  static void run(Command command) throws Exception {
    if (command.kind().equals("watch")) {
      runWatch(command);
      return;
    }
    try (CuratorFramework client = open(command.connect())) {
      if (command.count() == 1) {
        runSynchronous(client, command);
      } else {
        new Pipeline(client, command).run();
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ");
      run(new Command(words[0], words[1], words[2], Double.parseDouble(words[3]), Integer.parseInt(words[4])));
    }
  }

  private CuratorDriver() {}
}
