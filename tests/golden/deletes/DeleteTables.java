// Makes tests/golden/deletes: tables with delete files as Apache Iceberg's Java library writes them,
// and the rows that it reads of them. See README.md beside it.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.ChangelogScanTask;
import org.apache.iceberg.ContentScanTask;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.DeleteFile;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.ManifestFile;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Snapshot;
import org.apache.iceberg.StructLike;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.GenericAppenderFactory;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.InternalRecordWrapper;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.data.parquet.GenericParquetReaders;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.deletes.PositionDelete;
import org.apache.iceberg.deletes.PositionDeleteWriter;
import org.apache.iceberg.encryption.EncryptedOutputFile;
import org.apache.iceberg.inmemory.InMemoryCatalog;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.DataWriter;
import org.apache.iceberg.io.OutputFileFactory;
import org.apache.iceberg.parquet.Parquet;
import org.apache.iceberg.types.Types;

public class DeleteTables {
  static final ObjectMapper JSON = new ObjectMapper();
  static final Schema SCHEMA =
      new Schema(
          Types.NestedField.required(1, "id", Types.LongType.get()),
          Types.NestedField.optional(2, "cat", Types.StringType.get()),
          Types.NestedField.optional(3, "v", Types.IntegerType.get()),
          Types.NestedField.optional(4, "name", Types.StringType.get()));

  final InMemoryCatalog catalog = new InMemoryCatalog();
  final Path folder;
  Table table;
  Set<String> files;  // of the table, data and deletes

  DeleteTables(Path folder) {
    this.folder = folder;
    catalog.initialize("golden", Map.of("warehouse", "memory://lake"));
    catalog.createNamespace(Namespace.of("ns"));
  }

  void create(String name, PartitionSpec spec) {
    table = catalog.createTable(TableIdentifier.of("ns", name), SCHEMA, spec,
        Map.of("format-version", "2", "write.metadata.compression-codec", "none"));
    files = new LinkedHashSet<>();
  }

  Record row(Object... values) {
    GenericRecord record = GenericRecord.create(table.schema());
    for (int i = 0; i < values.length; ++i) record.set(i, values[i]);
    return record;
  }

  StructLike partitionOf(Record record) {
    PartitionKey key = new PartitionKey(table.spec(), table.schema());
    key.partition(new InternalRecordWrapper(table.schema().asStruct()).wrap(record));
    return table.spec().isUnpartitioned() ? null : key;
  }

  EncryptedOutputFile output(StructLike partition) {
    OutputFileFactory outputs =
        OutputFileFactory.builderFor(table, 1, files.size()).format(FileFormat.PARQUET).build();
    return partition == null ? outputs.newOutputFile()
        : outputs.newOutputFile(table.spec(), partition);
  }

  // All of one partition.
  DataFile data(Record... rows) throws IOException {
    StructLike partition = partitionOf(rows[0]);
    DataWriter<Record> writer =
        new GenericAppenderFactory(table.schema(), table.spec())
            .newDataWriter(output(partition), FileFormat.PARQUET,
                partition);
    try (writer) {
      for (Record row : rows) writer.write(row);
    }
    files.add(writer.toDataFile().path().toString());
    return writer.toDataFile();
  }

  DeleteFile positions(Object... pathsAndPositions) throws IOException {
    StructLike partition = table.spec().isUnpartitioned() ? null
        : ((DataFile) pathsAndPositions[0]).partition();
    PositionDeleteWriter<Record> writer =
        new GenericAppenderFactory(table.schema(), table.spec())
            .newPosDeleteWriter(output(partition),
                FileFormat.PARQUET, partition);
    try (writer) {
      for (int i = 0; i < pathsAndPositions.length; i += 2) {
        PositionDelete<Record> delete = PositionDelete.create();
        writer.write(delete.set(((DataFile) pathsAndPositions[i]).path(),
            ((Number) pathsAndPositions[i + 1]).longValue(), null));
      }
    }
    files.add(writer.toDeleteFile().path().toString());
    return writer.toDeleteFile();
  }

  // In the partition of `of`; null when there are none.
  DeleteFile keys(Record of, List<String> columns, Object[]... keys) throws IOException {
    Schema schema = table.schema().select(columns);
    int[] ids = columns.stream().mapToInt(c -> table.schema().findField(c).fieldId()).toArray();
    StructLike partition = of == null ? null : partitionOf(of);
    EqualityDeleteWriter<Record> writer =
        new GenericAppenderFactory(table.schema(), table.spec(), ids, schema, null)
            .newEqDeleteWriter(output(partition),
                FileFormat.PARQUET, partition);
    try (writer) {
      for (Object[] key : keys) {
        GenericRecord record = GenericRecord.create(schema);
        for (int i = 0; i < key.length; ++i) record.setField(columns.get(i), key[i]);
        writer.write(record);
      }
    }
    files.add(writer.toDeleteFile().path().toString());
    return writer.toDeleteFile();
  }

  static Object[] key(Object... values) {
    return values;
  }

  // Deletes of both kinds in partitions and over all of them, evolution of schema and spec.
  void deletes() throws IOException {
    create("deletes",
        PartitionSpec.builderFor(SCHEMA).identity("cat").build());
    DataFile a = data(row(1L, "a", 10, "one"), row(2L, "a", null, "two"), row(3L, "a", 30, null),
        row(4L, "a", 40, "four"), row(5L, "a", 50, "five"));
    DataFile b = data(row(6L, "b", 10, "six"), row(7L, "b", 20, "seven"), row(8L, "b", null, null));
    DataFile n = data(row(9L, null, 10, "nine"), row(10L, null, 20, "ten"));
    table.newAppend().appendFile(a).appendFile(b).appendFile(n).commit();
    table.newRowDelta().addDeletes(positions(a, 0L, a, 4L)).commit();
    // Upserts: the key goes, a new row comes, and is itself replaced in the same commit.
    DataFile upsert = data(row(6L, "b", 11, "six"), row(6L, "b", 12, "SIX"));
    table.newRowDelta().addRows(upsert)
        .addDeletes(keys(row(6L, "b"), List.of("id"), key(6L)))
        .addDeletes(positions(upsert, 0L)).commit();
    table.newRowDelta()
        .addDeletes(keys(row(8L, "b"), List.of("v", "name"), key(null, null)))
        .addDeletes(keys(row(9L, null), List.of("v"), key(10))).commit();
    table.updateSchema().updateColumn("v", Types.LongType.get())
        .addColumn("extra", Types.LongType.get()).commit();
    table.updateSpec().removeField("cat").commit();
    DataFile all = data(row(11L, "a", 30L, "eleven", 1L), row(12L, "c", 60L, "twelve", null));
    table.newAppend().appendFile(all).commit();
    // Of all partitions, over a column that was promoted, then over one that old files lack.
    table.newRowDelta().addDeletes(keys(null, List.of("v"), key(30L), key(20L))).commit();
    DataFile later = data(row(13L, "a", 70L, "thirteen", null));
    table.newRowDelta().addRows(later)
        .addDeletes(keys(null, List.of("extra", "id"), key(null, 4L), key(1L, 12L))).commit();
    table.newDelete().deleteFile(b).commit();
    write("deletes");
  }

  // NaN and both zeros as keys. Only ids are expected, which every JSON tells alike.
  void floats() throws IOException {
    create("floats", PartitionSpec.unpartitioned());
    table.updateSchema().addColumn("x", Types.DoubleType.get())
        .addColumn("y", Types.FloatType.get()).commit();
    table.newAppend().appendFile(data(
        row(1L, "a", 1, "a", Double.NaN, 0f), row(2L, "a", 1, "a", -0.0, 0f),
        row(3L, "a", 1, "a", 0.0, 0f), row(4L, "a", 1, "a", null, 0f),
        row(5L, "a", 1, "a", 1.0, Float.NaN), row(6L, "a", 1, "a", 1.0, -0f),
        row(7L, "a", 1, "a", 1.0, null))).commit();
    table.newRowDelta().addDeletes(keys(null, List.of("x"), key(Double.NaN), key(0.0)))
        .addDeletes(keys(null, List.of("y"), key(Float.NaN), key(-0f))).commit();
    write("floats", "id");
  }

  // Files that come and go, with no deletes: what IncrementalChangelogScan tells, too.
  void rewrites() throws IOException {
    create("rewrites", PartitionSpec.unpartitioned());
    DataFile a = data(row(1L, "a", 10, "one"), row(2L, "a", 20, "two"));
    DataFile b = data(row(3L, "b", 30, "three"), row(4L, "b", 40, "four"));
    table.newAppend().appendFile(a).commit();
    table.newAppend().appendFile(b).commit();
    DataFile changed = data(row(1L, "a", 11, "one"), row(2L, "a", 20, "two"));
    table.newOverwrite().deleteFile(a).addFile(changed).commit();
    DataFile both = data(row(1L, "a", 11, "one"), row(2L, "a", 20, "two"), row(3L, "b", 30, "three"),
        row(4L, "b", 40, "four"));
    table.newRewrite().rewriteFiles(Set.of(changed, b), Set.of(both)).commit();
    DataFile c = data(row(5L, "c", 50, "five"));
    table.newAppend().appendFile(c).commit();
    table.newDelete().deleteFile(both).commit();
    write("rewrites");
  }

  ObjectNode rowNode(Record record, String... columns) {
    ObjectNode node = JSON.createObjectNode();
    List<String> wanted = List.of(columns);
    for (Types.NestedField field : record.struct().fields()) {
      // Its reader adds what deletes are applied by.
      if (field.name().startsWith("_") ||
          !(wanted.isEmpty() || wanted.contains(field.name()))) {
        continue;
      }
      node.putPOJO(field.name(), record.getField(field.name()));
    }
    return node;
  }

  // The rows with these columns, all when none are named.
  void write(String name, String... columns) throws IOException {
    ObjectNode expected = JSON.createObjectNode();
    ArrayNode snapshots = expected.putArray("snapshots");
    Set<String> all = new LinkedHashSet<>(files);
    for (Snapshot snapshot : table.snapshots()) {
      all.add(snapshot.manifestListLocation());
      for (ManifestFile manifest : snapshot.allManifests(table.io())) all.add(manifest.path());
      ObjectNode node = snapshots.addObject();
      node.put("snapshot-id", snapshot.snapshotId());
      ArrayNode rows = node.putArray("rows");
      try (CloseableIterable<Record> read =
          select(IcebergGenerics.read(table).useSnapshot(snapshot.snapshotId()), columns).build()) {
        read.forEach(record -> rows.add(rowNode(record, columns)));
      }
    }
    ArrayNode current = expected.putArray("current");
    try (CloseableIterable<Record> read =
        select(IcebergGenerics.read(table), columns).build()) {
      read.forEach(record -> current.add(rowNode(record, columns)));
    }
    if (name.equals("rewrites")) changes(expected.putArray("changes"));
    String metadata = ((BaseTable) table).operations().current().metadataFileLocation();
    all.add(metadata);
    expected.put("metadata", metadata);
    for (String location : all) {
      Path path = folder.resolve(location.substring("memory://lake/".length()));
      Files.createDirectories(path.getParent());
      try (InputStream in = table.io().newInputFile(location).newStream()) {
        Files.write(path, in.readAllBytes());
      }
    }
    Files.writeString(folder.resolve(name + ".json"),
        JSON.writerWithDefaultPrettyPrinter().writeValueAsString(expected) + "\n");
  }

  static IcebergGenerics.ScanBuilder select(IcebergGenerics.ScanBuilder scan, String... columns) {
    return columns.length == 0 ? scan : scan.select(columns);
  }

  // Since the first snapshot.
  void changes(ArrayNode changes) throws IOException {
    Snapshot first = table.snapshots().iterator().next();
    List<ChangelogScanTask> tasks = new ArrayList<>();
    try (CloseableIterable<ChangelogScanTask> planned =
        table.newIncrementalChangelogScan().fromSnapshotExclusive(first.snapshotId()).planFiles()) {
      planned.forEach(tasks::add);
    }
    for (ChangelogScanTask task : tasks) {
      String path = ((ContentScanTask<?>) task).file().path().toString();
      try (CloseableIterable<Record> read =
          Parquet.read(table.io().newInputFile(path)).project(table.schema())
              .createReaderFunc(s -> GenericParquetReaders.buildReader(table.schema(), s))
              .build()) {
        read.forEach(record -> {
          ObjectNode row = rowNode(record);
          row.put("_change_type", task.operation().name().toLowerCase());
          row.put("_change_ordinal", task.changeOrdinal());
          row.put("_commit_snapshot_id", task.commitSnapshotId());
          changes.add(row);
        });
      }
    }
  }

  public static void main(String[] arguments) throws IOException {
    DeleteTables tables = new DeleteTables(Path.of(arguments[0]));
    tables.deletes();
    tables.floats();
    tables.rewrites();
  }
}
