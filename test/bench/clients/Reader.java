// The Java client under measurement: consumes one topic and writes a line for each record it was handed, and for each assignment.
// Arguments: bootstrap list, group id, topic. It ends when its standard input ends.
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

public class Reader {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("group.id", args[1]);
    settings.put("client.id", "java");
    settings.put("session.timeout.ms", "30000");
    settings.put("heartbeat.interval.ms", "1000");
    settings.put("auto.commit.interval.ms", "1000");
    settings.put("fetch.max.wait.ms", "250");
    settings.put("auto.offset.reset", "earliest");
    settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    var consumer = new KafkaConsumer<String, String>(settings);
    var main = Thread.currentThread();
    var input = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException ended) {
      }
      consumer.wakeup();
      try {
        main.join(5000);
      } catch (InterruptedException interrupted) {
      }
      Runtime.getRuntime().halt(0);
    });
    input.setDaemon(true);
    input.start();
    var out = new java.io.PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true);

    consumer.subscribe(List.of(args[2]), new ConsumerRebalanceListener() {
      public void onPartitionsAssigned(Collection<TopicPartition> added) {
        tell();
      }

      public void onPartitionsRevoked(Collection<TopicPartition> taken) {}

      private void tell() {
        var owned = consumer.assignment().stream().map(one -> "" + one.partition()).collect(Collectors.joining(","));
        out.println("owns " + consumer.groupMetadata().generationId() + " " + owned);
      }
    });
    try {
      while (true) {
        for (var record : consumer.poll(Duration.ofMillis(100))) {
          out.println("handed " + record.partition() + " " + record.offset() + " " + System.currentTimeMillis() + " " + record.value());
        }
      }
    } catch (WakeupException asked) {
      consumer.close(Duration.ofSeconds(3));
    }
  }
}
