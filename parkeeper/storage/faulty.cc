#include "parkeeper/storage/faulty.h"

#include <fmt/format.h>

#include "parkeeper/base/ids.h"

namespace pk::storage {
namespace {

// What all objects of one faulty storage share.
class Faults {
 public:
  explicit Faults(FaultyOptions options) : options_(std::move(options)) {}

  Fault Next(Call call, std::string_view location) const {
    if (options_.clock != nullptr) options_.clock->Wait(options_.latency);
    return options_.schedule ? options_.schedule(call, location) : Fault::kNone;
  }

  // A call without an outcome that could stay unknown.
  Result<> Plain(Call call, std::string_view location) const {
    if (Next(call, location) == Fault::kNone) return {};
    return Refused(location);
  }

  // A call that changes what others see.
  Result<> Changing(Call call, std::string_view location,
                    const std::function<Result<>()>& act) const {
    const Fault fault = Next(call, location);
    if (fault == Fault::kUnavailable || fault == Fault::kPartial) return Refused(location);
    if (fault == Fault::kNone) return act();
    // A reply that is lost hides an error as well.
    if (fault == Fault::kLostReply) (void)act().ok();
    return OutcomeUnknown(fmt::format("injected: the reply was lost: {}", location));
  }

  static Error Refused(std::string_view location) {
    return Unavailable(fmt::format("injected: the store cannot now: {}", location));
  }

 private:
  const FaultyOptions options_;
};

class FaultyFile final : public RandomAccessFile {
 public:
  FaultyFile(const Faults& faults, std::unique_ptr<RandomAccessFile> inner)
      : faults_(faults), inner_(std::move(inner)) {}

  int64_t size() const override { return inner_->size(); }
  const std::string& location() const override { return inner_->location(); }
  Result<> Read(int64_t offset, std::span<char> out) override {
    PK_TRY(faults_.Plain(Call::kRead, location()));
    return inner_->Read(offset, out);
  }

 private:
  const Faults& faults_;
  const std::unique_ptr<RandomAccessFile> inner_;
};

class FaultyWriter final : public FileWriter {
 public:
  FaultyWriter(const Faults& faults, std::string location, std::unique_ptr<FileWriter> inner)
      : faults_(faults), location_(std::move(location)), inner_(std::move(inner)) {}

  Result<> Append(std::string_view bytes) override {
    PK_CHECK(!failed_, Faults::Refused(location_));
    const Fault fault = faults_.Next(Call::kAppend, location_);
    failed_ = fault != Fault::kNone;
    if (fault == Fault::kPartial) PK_TRY(inner_->Append(bytes.substr(0, bytes.size() / 2)));
    if (failed_) return Faults::Refused(location_);
    return inner_->Append(bytes);
  }
  int64_t size() const override { return inner_->size(); }
  Result<> Finish() override {
    PK_CHECK(!failed_, Faults::Refused(location_));
    Result<> done = faults_.Changing(Call::kFinish, location_, [&] { return inner_->Finish(); });
    failed_ = !done.ok();
    return done;
  }

 private:
  const Faults& faults_;
  const std::string location_;
  const std::unique_ptr<FileWriter> inner_;
  bool failed_ = false;
};

class FaultyStorage final : public Storage {
 public:
  FaultyStorage(Storage& inner, FaultyOptions options)
      : inner_(inner), faults_(std::move(options)) {}

  const std::string& root() const override { return inner_.root(); }
  Result<std::unique_ptr<RandomAccessFile>> Open(std::string_view location) override {
    PK_TRY(faults_.Plain(Call::kOpen, location));
    return std::make_unique<FaultyFile>(faults_, PK_TRY(inner_.Open(location)));
  }
  Result<std::unique_ptr<FileWriter>> Create(std::string_view location) override {
    PK_TRY(faults_.Plain(Call::kCreate, location));
    return std::make_unique<FaultyWriter>(faults_, std::string(location),
                                          PK_TRY(inner_.Create(location)));
  }
  Result<FileStatus> Stat(std::string_view location) override {
    PK_TRY(faults_.Plain(Call::kStat, location));
    return inner_.Stat(location);
  }
  Result<> List(std::string_view location,
                const std::function<Result<>(const FileStatus&)>& visit) override {
    PK_TRY(faults_.Plain(Call::kList, location));
    return inner_.List(location, visit);
  }
  Result<> Remove(std::string_view location) override {
    return faults_.Changing(Call::kRemove, location, [&] { return inner_.Remove(location); });
  }

 private:
  Storage& inner_;
  const Faults faults_;
};

}  // namespace

FaultSchedule RandomFaults(uint64_t seed, FaultOdds odds) {
  // Shared, because a std::function is copied.
  auto ids = std::make_shared<SeededIds>(seed);
  return [ids, odds](Call, std::string_view) {
    double draw = double(ids->Random64() >> 11) * 0x1p-53;
    const auto falls = [&draw](double share) { return (draw -= share) < 0; };
    if (falls(odds.unavailable)) return Fault::kUnavailable;
    if (falls(odds.lost_request)) return Fault::kLostRequest;
    if (falls(odds.lost_reply)) return Fault::kLostReply;
    if (falls(odds.partial)) return Fault::kPartial;
    return Fault::kNone;
  };
}

std::unique_ptr<Storage> MakeFaulty(Storage& inner, FaultyOptions options) {
  return std::make_unique<FaultyStorage>(inner, std::move(options));
}

}  // namespace pk::storage
