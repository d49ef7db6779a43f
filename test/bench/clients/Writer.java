// The Java producer under measurement: sends a batch of messages to one topic each so many milliseconds, whatever became of those before.
// It writes a line when a batch begins and when its last message is acknowledged or refused. Arguments: bootstrap list, topic, messages of
// a batch, milliseconds. It ends when its standard input ends.
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public class Writer {
  static final int KEYS = 12;

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("client.id", "java");
    settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    var producer = new KafkaProducer<String, String>(settings);
    var out = new java.io.PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true);
    var topic = args[1];
    int batch = Integer.parseInt(args[2]);
    long everyMs = Long.parseLong(args[3]);
    producer.partitionsFor(topic);
    out.println("connected");

    var isOver = new java.util.concurrent.CountDownLatch(1);
    var input = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException ended) {
      }
      isOver.countDown();
    });
    input.setDaemon(true);
    input.start();
    int number = 0;
    for (long due = System.nanoTime();; due += everyMs * 1_000_000) {
      long aheadNs = due - System.nanoTime();
      if (isOver.await(Math.max(0, aheadNs), java.util.concurrent.TimeUnit.NANOSECONDS)) break;
      int first = number;
      out.println("begun " + first + " " + System.currentTimeMillis());
      var left = new AtomicInteger(batch);
      var error = new AtomicReference<Exception>();
      for (; number < first + batch; number++) {
        // half with a key, half without
        var key = number % 2 == 1 ? "k" + number % KEYS : null;
        producer.send(new ProducerRecord<>(topic, key, "" + number), (metadata, refused) -> {
          if (refused != null) error.set(refused);
          if (left.decrementAndGet() == 0) {
            var why = error.get() == null ? "" : " " + error.get().getClass().getSimpleName();
            out.println("ended " + first + " " + System.currentTimeMillis() + why);
          }
        });
      }
    }
    producer.close(java.time.Duration.ofSeconds(30));
    Runtime.getRuntime().halt(0);
  }
}
