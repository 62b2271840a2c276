import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams as a contender of the bench. Of one reading a message it keeps the last count of each meter in a store
 * and sums the differences in windows of an hour, by meter and by enterprise, as its documentation teaches. Of batches
 * it keeps an enterprise's meters and their hours as one packed value, which is far cheaper.
 */
public final class KafkaStreamsContender {
    static final long HOUR_MS = 3_600_000L;
    static final long MICRO_PER_COUNT = 10_000L;
    static final long LIMIT_MICRO = 126_000_000L;
    static final JsonFactory JSON = new JsonFactory();

    /** A message's readings: of meters, reading n is of names[i[n]] at t[n], its count is v[n]. */
    static final class Message {
        final List<String> names = new ArrayList<>();
        long[] i = new long[0];
        long[] t = new long[0];
        long[] v = new long[0];
    }

    /** A difference of counts that began at an instant. */
    record Difference(String meter, long beganMs, long counts) {}

    /** A meter: its last reading and its counts by hour. */
    static final class Meter {
        long at;
        long count;
        final TreeMap<Long, Long> hours = new TreeMap<>();
    }

    /** An enterprise's meters, and the hours that changed since this was last sent on. */
    static final class Sums {
        final TreeMap<String, Meter> meters = new TreeMap<>();

        void add(Message message) {
            for (int n = 0; n < message.t.length; n++) {
                Meter meter = meters.get(message.names.get((int) message.i[n]));
                if (meter == null) {
                    meter = new Meter();
                    meter.at = message.t[n];
                    meter.count = message.v[n];
                    meters.put(message.names.get((int) message.i[n]), meter);
                } else if (message.t[n] > meter.at) {
                    meter.hours.merge(meter.at / HOUR_MS, message.v[n] - meter.count, Long::sum);
                    meter.at = message.t[n];
                    meter.count = message.v[n];
                }
            }
        }
    }

    static Message decode(byte[] value) {
        Message message = new Message();
        try (JsonParser json = JSON.createParser(value)) {
            while (json.nextToken() != null) {
                if (json.currentToken() != JsonToken.FIELD_NAME) {
                    continue;
                }
                switch (json.currentName()) {
                    case "meters" -> {
                        json.nextToken();
                        while (json.nextToken() != JsonToken.END_ARRAY) {
                            message.names.add(json.getText());
                        }
                    }
                    case "i" -> message.i = numbers(json);
                    case "t" -> message.t = numbers(json);
                    case "v" -> {
                        // The version of the message has this name, too, and is no array.
                        if (json.nextToken() == JsonToken.START_ARRAY) {
                            message.v = elements(json);
                        }
                    }
                    default -> { }
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return message;
    }

    static long[] numbers(JsonParser json) throws IOException {
        json.nextToken();
        return elements(json);
    }

    static long[] elements(JsonParser json) throws IOException {
        long[] found = new long[256];
        int size = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (size == found.length) {
                found = java.util.Arrays.copyOf(found, 2 * size);
            }
            found[size++] = json.getLongValue();
        }
        return java.util.Arrays.copyOf(found, size);
    }

    static String enterpriseFigures(long micro) {
        return "[" + micro + "," + micro * 1229 / 10_000 + "," + micro * 6 / 10 + "," + (micro > LIMIT_MICRO) + "]";
    }

    static byte[] result(long hourMs, String figures) {
        return ("[" + hourMs + ",{" + figures + "}]").getBytes(StandardCharsets.UTF_8);
    }

    static List<KeyValue<String, byte[]>> results(String enterprise, Sums sums) {
        TreeMap<Long, StringBuilder> figures = new TreeMap<>();
        TreeMap<Long, Long> totals = new TreeMap<>();
        sums.meters.forEach((name, meter) -> meter.hours.forEach((hour, counts) -> {
            figures.computeIfAbsent(hour, at -> new StringBuilder()).append('"').append(enterprise).append('.')
                .append(name).append("\":[").append(counts * MICRO_PER_COUNT).append("],");
            totals.merge(hour, counts * MICRO_PER_COUNT, Long::sum);
        }));
        List<KeyValue<String, byte[]>> found = new ArrayList<>();
        figures.forEach((hour, text) -> {
            text.append('"').append(enterprise).append("\":").append(enterpriseFigures(totals.get(hour)));
            found.add(KeyValue.pair(enterprise, result(hour * HOUR_MS, text.toString())));
        });
        return found;
    }

    static final Serde<Sums> SUMS = serde((topic, sums) -> {
        if (sums == null) {
            return null;
        }
        int size = 4;
        for (Map.Entry<String, Meter> each : sums.meters.entrySet()) {
            size += 2 + each.getKey().length() + 16 + 2 + 16 * each.getValue().hours.size();
        }
        ByteBuffer into = ByteBuffer.allocate(size);
        into.putInt(sums.meters.size());
        sums.meters.forEach((name, meter) -> {
            byte[] text = name.getBytes(StandardCharsets.US_ASCII);
            into.putShort((short) text.length).put(text).putLong(meter.at).putLong(meter.count);
            into.putShort((short) meter.hours.size());
            meter.hours.forEach((hour, counts) -> into.putLong(hour).putLong(counts));
        });
        return into.array();
    }, (topic, data) -> {
        if (data == null) {
            return null;
        }
        ByteBuffer from = ByteBuffer.wrap(data);
        Sums sums = new Sums();
        for (int left = from.getInt(); left > 0; left--) {
            byte[] text = new byte[from.getShort()];
            from.get(text);
            Meter meter = new Meter();
            meter.at = from.getLong();
            meter.count = from.getLong();
            for (int hours = from.getShort(); hours > 0; hours--) {
                meter.hours.put(from.getLong(), from.getLong());
            }
            sums.meters.put(new String(text, StandardCharsets.US_ASCII), meter);
        }
        return sums;
    });

    static final Serde<Difference> DIFFERENCE = serde((topic, each) -> {
        byte[] text = each.meter().getBytes(StandardCharsets.US_ASCII);
        return ByteBuffer.allocate(16 + text.length).putLong(each.beganMs()).putLong(each.counts()).put(text).array();
    }, (topic, data) -> {
        ByteBuffer from = ByteBuffer.wrap(data);
        return new Difference(
            new String(data, 16, data.length - 16, StandardCharsets.US_ASCII), from.getLong(), from.getLong());
    });

    static <T> Serde<T> serde(Serializer<T> serializer, Deserializer<T> deserializer) {
        return Serdes.serdeFrom(serializer, deserializer);
    }

    /** Makes differences of readings; the last reading of each meter is in a store. */
    static final class Differences implements FixedKeyProcessor<String, byte[], Difference> {
        private FixedKeyProcessorContext<String, Difference> context;
        private KeyValueStore<String, byte[]> last;

        @Override
        public void init(FixedKeyProcessorContext<String, Difference> given) {
            context = given;
            last = given.getStateStore("last");
        }

        @Override
        public void process(FixedKeyRecord<String, byte[]> each) {
            Message message = decode(each.value());
            for (int n = 0; n < message.t.length; n++) {
                String meter = each.key() + "." + message.names.get((int) message.i[n]);
                byte[] packed = last.get(meter);
                last.put(meter, ByteBuffer.allocate(16).putLong(message.t[n]).putLong(message.v[n]).array());
                if (packed != null) {
                    ByteBuffer before = ByteBuffer.wrap(packed);
                    long at = before.getLong();
                    Difference found = new Difference(meter, at, message.v[n] - before.getLong());
                    // The window of a record is that of its time: the instant at which the difference began.
                    context.forward(each.withValue(found).withTimestamp(at));
                }
            }
        }
    }

    static void perReading(StreamsBuilder builder, KStream<String, byte[]> source, String results, int partitions) {
        builder.addStateStore(Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("last"), Serdes.String(), Serdes.ByteArray()).withCachingEnabled());
        KStream<String, Difference> differences = source.processValues(Differences::new, "last");
        // One partition of a backlog may be read hours ahead of another, and what is later than the grace is dropped.
        TimeWindows hours = TimeWindows.ofSizeAndGrace(Duration.ofHours(1), Duration.ofHours(24));
        differences
            .groupByKey(Grouped.with(Serdes.String(), DIFFERENCE))
            .windowedBy(hours)
            .aggregate(() -> 0L, (key, each, sum) -> sum + each.counts() * MICRO_PER_COUNT,
                Materialized.with(Serdes.String(), Serdes.Long()))
            .toStream((window, sum) -> window)
            .map((window, sum) -> KeyValue.pair(window.key(), result(
                window.window().start(), "\"" + window.key() + "\":" + enterpriseFigures(sum))))
            .to(results, Produced.with(Serdes.String(), Serdes.ByteArray()));
        differences
            .selectKey((key, each) -> each.meter())
            .repartition(Repartitioned.with(Serdes.String(), DIFFERENCE).withNumberOfPartitions(partitions)
                .withName("meters"))
            .groupByKey(Grouped.with(Serdes.String(), DIFFERENCE))
            .windowedBy(hours)
            .aggregate(() -> 0L, (key, each, sum) -> sum + each.counts() * MICRO_PER_COUNT,
                Materialized.with(Serdes.String(), Serdes.Long()))
            .toStream((window, sum) -> window)
            .map((window, sum) -> KeyValue.pair(window.key(), result(
                window.window().start(), "\"" + window.key() + "\":[" + sum + "]")))
            .to(results, Produced.with(Serdes.String(), Serdes.ByteArray()));
    }

    static void packed(KStream<String, byte[]> source, String results) {
        source
            .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
            .aggregate(Sums::new, (key, value, sums) -> {
                sums.add(decode(value));
                return sums;
            }, Materialized.with(Serdes.String(), SUMS))
            .toStream()
            .flatMap((enterprise, sums) -> results(enterprise, sums))
            .to(results, Produced.with(Serdes.String(), Serdes.ByteArray()));
    }

    public static void main(String[] given) {
        String kafka = given[0], source = given[1], results = given[3], group = given[4], data = given[5];
        int batch = Integer.parseInt(given[2]), partitions = Integer.parseInt(given[6]);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, kafka);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, data);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        settings.put(StreamsConfig.consumerPrefix("isolation.level"), "read_committed");
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 4000);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, byte[]> readings = builder.stream(source, Consumed.with(Serdes.String(), Serdes.ByteArray()));
        if (batch == 1) {
            perReading(builder, readings, results, partitions);
        } else {
            packed(readings, results);
        }
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }
}
