package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// newDriver gives a driver on a btrfs of its own, which is gone after the test.
func newDriver(t *testing.T) *driver {
	t.Helper()
	directory := t.TempDir()
	image, mount := filepath.Join(directory, "disk"), filepath.Join(directory, "pool")
	run(t, "truncate", "--size", "300M", image)
	run(t, "mkfs.btrfs", "--quiet", image)
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "loop", image, mount)
	t.Cleanup(func() { run(t, "umount", mount) })
	store, err := openPool(mount)
	if err != nil {
		t.Fatal(err)
	}
	return &driver{name: "test", node: "node", control: filepath.Join(directory, "control"), pool: store}
}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	if said, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", program, arguments, err, said)
	}
}

func (d *driver) ask(t *testing.T, faults string) {
	t.Helper()
	if err := os.WriteFile(d.control, []byte(faults), 0o600); err != nil {
		t.Fatal(err)
	}
}

var mounted = []*csi.VolumeCapability{{
	AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
	AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
}}

func volumeRequest(name, snapshot string) *csi.CreateVolumeRequest {
	request := &csi.CreateVolumeRequest{
		Name: name, VolumeCapabilities: mounted,
		CapacityRange: &csi.CapacityRange{RequiredBytes: 10 << 20},
	}
	if snapshot != "" {
		request.VolumeContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{
			Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: snapshot},
		}}
	}
	return request
}

func snapshotRequest(name, volume string) *csi.CreateSnapshotRequest {
	return &csi.CreateSnapshotRequest{Name: name, SourceVolumeId: volume}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func refused(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("expected %v, got %v", code, err)
	}
}

func TestASnapshotHoldsTheMomentOfItsCut(t *testing.T) {
	d, ctx := newDriver(t), context.Background()
	must(d.CreateVolume(ctx, volumeRequest("a", "")))(t)
	file := filepath.Join(d.pool.volume("a"), "file")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cut := must(d.CreateSnapshot(ctx, snapshotRequest("s", "a")))(t).GetSnapshot()
	if at := cut.GetCreationTime().AsTime(); at.Before(began) || at.After(time.Now()) {
		t.Fatalf("cut at %v, asked at %v", at, began)
	}
	if !cut.GetReadyToUse() {
		t.Fatal("the snapshot is not ready although nothing delays it")
	}
	if err := os.WriteFile(file, []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(d.CreateVolume(ctx, volumeRequest("b", "s")))(t)
	found, err := os.ReadFile(filepath.Join(d.pool.volume("b"), "file"))
	if err != nil || string(found) != "before" {
		t.Fatalf("the copy holds %q (%v)", found, err)
	}
	must(d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: "a"}))(t)
	if _, err := os.Stat(filepath.Join(d.pool.snapshot("s"), "file")); err != nil {
		t.Fatalf("the snapshot went with its source: %v", err)
	}
}

func TestDoingItTwiceIsDoingItOnce(t *testing.T) {
	d, ctx := newDriver(t), context.Background()
	must(d.CreateVolume(ctx, volumeRequest("a", "")))(t)
	must(d.CreateVolume(ctx, volumeRequest("a", "")))(t)
	other := volumeRequest("a", "")
	other.CapacityRange.RequiredBytes = 20 << 20
	_, err := d.CreateVolume(ctx, other)
	refused(t, err, codes.AlreadyExists)
	first := must(d.CreateSnapshot(ctx, snapshotRequest("s", "a")))(t).GetSnapshot()
	again := must(d.CreateSnapshot(ctx, snapshotRequest("s", "a")))(t).GetSnapshot()
	if !first.GetCreationTime().AsTime().Equal(again.GetCreationTime().AsTime()) {
		t.Fatal("the second answer tells another cut")
	}
	must(d.CreateVolume(ctx, volumeRequest("b", "")))(t)
	_, err = d.CreateSnapshot(ctx, snapshotRequest("s", "b"))
	refused(t, err, codes.AlreadyExists)
	for range 2 {
		must(d.DeleteSnapshot(ctx, &csi.DeleteSnapshotRequest{SnapshotId: "s"}))(t)
		must(d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: "a"}))(t)
	}
}

func TestFaultsOnDemand(t *testing.T) {
	d, ctx := newDriver(t), context.Background()
	must(d.CreateVolume(ctx, volumeRequest("a", "")))(t)

	d.ask(t, `{"fail_snapshot": "the array is full"}`)
	_, err := d.CreateSnapshot(ctx, snapshotRequest("s", "a"))
	refused(t, err, codes.Internal)

	d.ask(t, `{"ready_delay_seconds": 0.4}`)
	late := must(d.CreateSnapshot(ctx, snapshotRequest("late", "a")))(t).GetSnapshot()
	if late.GetReadyToUse() {
		t.Fatal("ready at once although a delay was asked for")
	}
	for deadline := time.Now().Add(5 * time.Second); !late.GetReadyToUse(); {
		if time.Now().After(deadline) {
			t.Fatal("never ready")
		}
		late = must(d.CreateSnapshot(ctx, snapshotRequest("late", "a")))(t).GetSnapshot()
	}

	d.ask(t, `{"never_ready": true}`)
	if must(d.CreateSnapshot(ctx, snapshotRequest("never", "a")))(t).GetSnapshot().GetReadyToUse() {
		t.Fatal("ready although it never shall be")
	}

	d.ask(t, `{"cut_delay_seconds": 30}`)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = d.CreateSnapshot(short, snapshotRequest("slow", "a"))
	refused(t, err, codes.DeadlineExceeded)
	if exists(d.pool.snapshot("slow")) {
		t.Fatal("a cut that was given up was made")
	}

	d.ask(t, `{"fail_volume": "no space"}`)
	_, err = d.CreateVolume(ctx, volumeRequest("b", ""))
	refused(t, err, codes.Internal)

	d.ask(t, `{`)
	_, err = d.CreateVolume(ctx, volumeRequest("b", ""))
	refused(t, err, codes.Internal)
}

func TestBadRequestsAreRefused(t *testing.T) {
	d, ctx := newDriver(t), context.Background()
	for _, name := range []string{"", "../a", "a/b", ".hidden", "a.json"} {
		_, err := d.CreateVolume(ctx, volumeRequest(name, ""))
		refused(t, err, codes.InvalidArgument)
		_, err = d.CreateSnapshot(ctx, snapshotRequest(name, "a"))
		refused(t, err, codes.InvalidArgument)
	}
	_, err := d.CreateVolume(ctx, volumeRequest("a", "gone"))
	refused(t, err, codes.NotFound)
	_, err = d.CreateSnapshot(ctx, snapshotRequest("s", "gone"))
	refused(t, err, codes.NotFound)
	large := volumeRequest("large", "")
	large.CapacityRange.RequiredBytes = 1 << 40
	_, err = d.CreateVolume(ctx, large)
	refused(t, err, codes.ResourceExhausted)
	block := volumeRequest("block", "")
	block.VolumeCapabilities = []*csi.VolumeCapability{{AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}}
	_, err = d.CreateVolume(ctx, block)
	refused(t, err, codes.InvalidArgument)
}

func TestAKilledDriverLeavesNothingThatIsTrusted(t *testing.T) {
	d, ctx := newDriver(t), context.Background()
	must(d.CreateVolume(ctx, volumeRequest("a", "")))(t)
	// Killed between the subvolume and its record.
	if err := btrfs("create", d.pool.snapshot("half")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.pool.volume("a"), "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(d.CreateSnapshot(ctx, snapshotRequest("half", "a")))(t)
	if _, err := os.Stat(filepath.Join(d.pool.snapshot("half"), "file")); err != nil {
		t.Fatalf("the half snapshot was taken for a whole one: %v", err)
	}
}

func TestAVolumeThatHangsIsGivenUpByItsCaller(t *testing.T) {
	d := newDriver(t)
	d.ask(t, `{"hang_volume": true}`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.CreateVolume(ctx, volumeRequest("slow", "")); status.Code(err) != codes.DeadlineExceeded {
		t.Fatalf("it answered %v", err)
	}
	d.ask(t, `{}`)
	must(d.CreateVolume(t.Context(), volumeRequest("slow", "")))(t)
}

func TestAFaultOfOneVolumeLeavesTheOthersAlone(t *testing.T) {
	d := newDriver(t)
	for _, name := range []string{"bad", "good"} {
		must(d.CreateVolume(t.Context(), volumeRequest(name, "")))(t)
	}
	d.ask(t, `{"fail_snapshot": "no", "only_volume": "bad"}`)
	if _, err := d.CreateSnapshot(t.Context(), snapshotRequest("one", "bad")); status.Code(err) != codes.Internal {
		t.Fatalf("it answered %v", err)
	}
	must(d.CreateSnapshot(t.Context(), snapshotRequest("two", "good")))(t)
}

func TestACloneBeginsAsItsSourceAndIsAVolumeOfItsOwn(t *testing.T) {
	d := newDriver(t)
	must(d.CreateVolume(t.Context(), volumeRequest("source", "")))(t)
	write := func(volume, text string) {
		if err := os.WriteFile(filepath.Join(d.pool.volume(volume), "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("source", "then")
	request := volumeRequest("clone", "")
	request.VolumeContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
		Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: "source"},
	}}
	must(d.CreateVolume(t.Context(), request))(t)
	write("source", "now")
	found, err := os.ReadFile(filepath.Join(d.pool.volume("clone"), "file"))
	if err != nil || string(found) != "then" {
		t.Fatalf("the clone has %q, %v", found, err)
	}
	if _, err := d.CreateVolume(t.Context(), volumeRequest("clone", "")); status.Code(err) != codes.AlreadyExists {
		t.Fatalf("the same name without a source answered %v", err)
	}
}

func TestADriverWithoutAListSaysSo(t *testing.T) {
	d := newDriver(t)
	d.ask(t, `{"list_unsupported": true}`)
	answer := must(d.ControllerGetCapabilities(t.Context(), nil))(t)
	for _, one := range answer.GetCapabilities() {
		if one.GetRpc().GetType() == csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS {
			t.Fatal("it says that it lists snapshots")
		}
	}
	if _, err := d.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{}); status.Code(err) != codes.Unimplemented {
		t.Fatalf("it answered %v", err)
	}
}
