package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// faults is what the control file may ask for; it is read anew on each call.
type faults struct {
	// CutDelaySeconds passes before a snapshot is cut.
	CutDelaySeconds float64 `json:"cut_delay_seconds"`
	// ReadyDelaySeconds passes between the cut and `ready_to_use`, as with a cloud's upload.
	ReadyDelaySeconds float64 `json:"ready_delay_seconds"`
	// NeverReady makes new snapshots stay not ready for ever.
	NeverReady bool `json:"never_ready"`
	// FailSnapshot makes each CreateSnapshot fail with this text.
	FailSnapshot string `json:"fail_snapshot"`
	// FailVolume makes each CreateVolume fail with this text.
	FailVolume string `json:"fail_volume"`
	// HangVolume lets each CreateVolume hang until its caller gives up. A long CutDelaySeconds does so to CreateSnapshot.
	HangVolume bool `json:"hang_volume"`
	// OnlyVolume limits CutDelaySeconds and FailSnapshot to snapshots of this volume, by its id.
	OnlyVolume string `json:"only_volume"`
	// ClockSkewSeconds is by how much the storage's clock is wrong when it says when it cut.
	ClockSkewSeconds float64 `json:"clock_skew_seconds"`
	// ListUnsupported takes the listing of snapshots away, as with drivers that have none.
	ListUnsupported bool `json:"list_unsupported"`
}

// snapshotFaults is what holds for snapshots of this volume.
func (f faults) snapshotFaults(volume string) faults {
	if f.OnlyVolume != "" && f.OnlyVolume != volume {
		f.CutDelaySeconds, f.FailSnapshot = 0, ""
	}
	return f
}

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	name, node, control string
	pool                *pool
}

func (d *driver) faults() (faults, error) {
	var asked faults
	if d.control == "" {
		return asked, nil
	}
	bytes, err := os.ReadFile(d.control)
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(strings.TrimSpace(string(bytes))) == 0) {
		return asked, nil
	}
	if err != nil {
		return asked, status.Errorf(codes.Internal, "control file: %v", err)
	}
	if err := json.Unmarshal(bytes, &asked); err != nil {
		return asked, status.Errorf(codes.Internal, "control file %s: %v", d.control, err)
	}
	return asked, nil
}

func internal(err error) error { return status.Error(codes.Internal, err.Error()) }

func checked(what, id string) error {
	if !identifier.MatchString(id) || strings.HasSuffix(id, ".json") {
		return status.Errorf(codes.InvalidArgument, "%s %q is no usable name", what, id)
	}
	return nil
}

func seconds(count float64) time.Duration { return time.Duration(count * float64(time.Second)) }

// GetPluginInfo names the driver.
func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

// GetPluginCapabilities tells that there is a controller.
func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	expansion := &csi.PluginCapability_VolumeExpansion{Type: csi.PluginCapability_VolumeExpansion_ONLINE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: service}},
		{Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: expansion}},
	}}, nil
}

// Probe answers as long as the pool can be read.
func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	_, err := d.pool.free()
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(err == nil)}, nil
}

// ControllerGetCapabilities lists what the controller can.
func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	asked, err := d.faults()
	if err != nil {
		return nil, err
	}
	var all []*csi.ControllerServiceCapability
	for _, one := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
	} {
		if asked.ListUnsupported && one == csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS {
			continue
		}
		all = append(all, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{
			Rpc: &csi.ControllerServiceCapability_RPC{Type: one},
		}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: all}, nil
}

// GetCapacity tells what is left in the pool.
func (d *driver) GetCapacity(context.Context, *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	free, err := d.pool.free()
	if err != nil {
		return nil, internal(err)
	}
	return &csi.GetCapacityResponse{AvailableCapacity: free}, nil
}

func usable(capabilities []*csi.VolumeCapability) error {
	if len(capabilities) == 0 {
		return status.Error(codes.InvalidArgument, "volume capabilities are missing")
	}
	for _, one := range capabilities {
		if one.GetBlock() != nil {
			return status.Error(codes.InvalidArgument, "block volumes are not supported")
		}
		switch one.GetAccessMode().GetMode() {
		case csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER, csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER:
			return status.Error(codes.InvalidArgument, "a volume lives on one node")
		}
	}
	return nil
}

// CreateVolume makes an empty volume, or one from a snapshot; the same name again gives the same volume.
func (d *driver) CreateVolume(ctx context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if err := checked("volume", request.GetName()); err != nil {
		return nil, err
	}
	if err := usable(request.GetVolumeCapabilities()); err != nil {
		return nil, err
	}
	asked, err := d.faults()
	if err != nil {
		return nil, err
	}
	if asked.FailVolume != "" {
		return nil, status.Error(codes.Internal, asked.FailVolume)
	}
	if asked.HangVolume {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	d.pool.mutex.Lock()
	defer d.pool.mutex.Unlock()
	id, path := request.GetName(), d.pool.volume(request.GetName())
	capacity := max(request.GetCapacityRange().GetRequiredBytes(), 1<<20)
	if limit := request.GetCapacityRange().GetLimitBytes(); limit > 0 && capacity > limit {
		return nil, status.Error(codes.OutOfRange, "the limit is below the required size")
	}
	snapshot := request.GetVolumeContentSource().GetSnapshot().GetSnapshotId()
	cloned := request.GetVolumeContentSource().GetVolume().GetVolumeId()
	var record volumeRecord
	if found, err := read(path, &record); err != nil {
		return nil, internal(err)
	} else if found {
		if record.Capacity != capacity || record.Snapshot != snapshot || record.Source != cloned {
			return nil, status.Errorf(codes.AlreadyExists, "volume %s exists and is different", id)
		}
		return d.made(id, record, request.GetVolumeContentSource()), nil
	}
	if cloned != "" {
		err = d.clone(path, capacity, cloned)
	} else {
		err = d.fill(path, capacity, snapshot, request.GetVolumeContentSource())
	}
	if err != nil {
		return nil, err
	}
	record = volumeRecord{Capacity: capacity, Snapshot: snapshot, Source: cloned}
	if err := write(path, record); err != nil {
		return nil, internal(err)
	}
	return d.made(id, record, request.GetVolumeContentSource()), nil
}

func (d *driver) fill(path string, capacity int64, snapshot string, source *csi.VolumeContentSource) error {
	free, err := d.pool.free()
	if err != nil {
		return internal(err)
	}
	if capacity > free && snapshot == "" {
		return status.Errorf(codes.ResourceExhausted, "%d bytes are asked for and %d are left", capacity, free)
	}
	if err := discard(path); err != nil {
		return internal(err)
	}
	if source != nil && snapshot == "" {
		return status.Error(codes.InvalidArgument, "a volume comes from nothing or from a snapshot")
	}
	if snapshot == "" {
		if err := btrfs("create", path); err != nil {
			return internal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			return internal(err)
		}
		return nil
	}
	var record snapshotRecord
	if found, err := read(d.pool.snapshot(snapshot), &record); err != nil {
		return internal(err)
	} else if !found {
		return status.Errorf(codes.NotFound, "snapshot %s is not there", snapshot)
	}
	if capacity < record.Size {
		return status.Errorf(codes.OutOfRange, "%d bytes are asked for and the snapshot holds %d", capacity, record.Size)
	}
	if err := btrfs("snapshot", d.pool.snapshot(snapshot), path); err != nil {
		return internal(err)
	}
	return nil
}

// clone makes a volume that begins as another one is now.
func (d *driver) clone(path string, capacity int64, source string) error {
	if checked("volume", source) != nil {
		return status.Errorf(codes.NotFound, "volume %s is not there", source)
	}
	var record volumeRecord
	if found, err := read(d.pool.volume(source), &record); err != nil {
		return internal(err)
	} else if !found {
		return status.Errorf(codes.NotFound, "volume %s is not there", source)
	}
	if capacity < record.Capacity {
		return status.Errorf(codes.OutOfRange, "%d bytes are asked for and the volume has %d", capacity, record.Capacity)
	}
	if err := discard(path); err != nil {
		return internal(err)
	}
	if err := btrfs("snapshot", d.pool.volume(source), path); err != nil {
		return internal(err)
	}
	return nil
}

// ControllerExpandVolume makes a volume larger; the node has nothing to do.
func (d *driver) ControllerExpandVolume(_ context.Context, request *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetCapacityRange() == nil {
		return nil, status.Error(codes.InvalidArgument, "volume id and capacity are needed")
	}
	if checked("volume", request.GetVolumeId()) != nil {
		return nil, status.Error(codes.NotFound, "the volume is not there")
	}
	d.pool.mutex.Lock()
	defer d.pool.mutex.Unlock()
	path := d.pool.volume(request.GetVolumeId())
	var record volumeRecord
	if found, err := read(path, &record); err != nil {
		return nil, internal(err)
	} else if !found {
		return nil, status.Error(codes.NotFound, "the volume is not there")
	}
	free, err := d.pool.free()
	if err != nil {
		return nil, internal(err)
	}
	if asked := request.GetCapacityRange().GetRequiredBytes(); asked > record.Capacity {
		if asked-record.Capacity > free {
			return nil, status.Errorf(codes.OutOfRange, "%d bytes are asked for and %d are left", asked, free)
		}
		record.Capacity = asked
		if err := write(path, record); err != nil {
			return nil, internal(err)
		}
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: record.Capacity}, nil
}

func (d *driver) made(id string, record volumeRecord, source *csi.VolumeContentSource) *csi.CreateVolumeResponse {
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: id, CapacityBytes: record.Capacity, ContentSource: source,
	}}
}

// DeleteVolume removes a volume, also one that is not there.
func (d *driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, status.Error(codes.InvalidArgument, "the volume id is missing")
	}
	if checked("volume", request.GetVolumeId()) != nil {
		return &csi.DeleteVolumeResponse{}, nil
	}
	d.pool.mutex.Lock()
	defer d.pool.mutex.Unlock()
	if err := remove(d.pool.volume(request.GetVolumeId())); err != nil {
		return nil, internal(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ValidateVolumeCapabilities confirms what CreateVolume would take.
func (d *driver) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" || len(request.GetVolumeCapabilities()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "volume id and capabilities are needed")
	}
	if checked("volume", request.GetVolumeId()) != nil || !exists(d.pool.volume(request.GetVolumeId())) {
		return nil, status.Error(codes.NotFound, "the volume is not there")
	}
	if err := usable(request.GetVolumeCapabilities()); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeCapabilities: request.GetVolumeCapabilities(),
	}}, nil
}

// CreateSnapshot cuts a volume; the same name again tells how it stands.
func (d *driver) CreateSnapshot(ctx context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if err := checked("snapshot", request.GetName()); err != nil {
		return nil, err
	}
	if request.GetSourceVolumeId() == "" {
		return nil, status.Error(codes.InvalidArgument, "the source volume id is missing")
	}
	if checked("volume", request.GetSourceVolumeId()) != nil {
		return nil, status.Error(codes.NotFound, "the source volume is not there")
	}
	id, path := request.GetName(), d.pool.snapshot(request.GetName())
	asked, err := d.faults()
	if err != nil {
		return nil, err
	}
	asked = asked.snapshotFaults(request.GetSourceVolumeId())
	var record snapshotRecord
	found, err := read(path, &record)
	if err != nil {
		return nil, internal(err)
	}
	if !found {
		if asked.FailSnapshot != "" {
			return nil, status.Error(codes.Internal, asked.FailSnapshot)
		}
		select {
		case <-time.After(seconds(asked.CutDelaySeconds)):
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		if record, err = d.cut(path, request.GetSourceVolumeId(), asked); err != nil {
			return nil, err
		}
	}
	if record.Source != request.GetSourceVolumeId() {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %s exists for another volume", id)
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshotOf(id, record)}, nil
}

// cut makes the read-only subvolume. The cut lies between two readings of the clock; the earlier is told, so that
// nothing is promised that is not in it.
func (d *driver) cut(path, volume string, asked faults) (snapshotRecord, error) {
	d.pool.mutex.Lock()
	defer d.pool.mutex.Unlock()
	var record snapshotRecord
	if found, err := read(path, &record); err != nil || found {
		return record, err
	}
	var source volumeRecord
	if found, err := read(d.pool.volume(volume), &source); err != nil {
		return record, internal(err)
	} else if !found {
		return record, status.Errorf(codes.NotFound, "volume %s is not there", volume)
	}
	if err := discard(path); err != nil {
		return record, internal(err)
	}
	before := time.Now()
	if err := btrfs("snapshot", "-r", d.pool.volume(volume), path); err != nil {
		return record, internal(err)
	}
	record = snapshotRecord{
		Source: volume, Cut: before.Add(seconds(asked.ClockSkewSeconds)), Size: source.Capacity,
		Ready: time.Now().Add(seconds(asked.ReadyDelaySeconds)), Never: asked.NeverReady,
	}
	return record, write(path, record)
}

func snapshotOf(id string, record snapshotRecord) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: id, SourceVolumeId: record.Source, SizeBytes: record.Size,
		CreationTime: timestamppb.New(record.Cut),
		ReadyToUse:   !record.Never && !time.Now().Before(record.Ready),
	}
}

// DeleteSnapshot removes a snapshot, also one that is not there.
func (d *driver) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, status.Error(codes.InvalidArgument, "the snapshot id is missing")
	}
	if checked("snapshot", request.GetSnapshotId()) != nil {
		return &csi.DeleteSnapshotResponse{}, nil
	}
	d.pool.mutex.Lock()
	defer d.pool.mutex.Unlock()
	if err := remove(d.pool.snapshot(request.GetSnapshotId())); err != nil {
		return nil, internal(err)
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

// ListSnapshots lists by id, by source, or all, in pages.
func (d *driver) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	if asked, err := d.faults(); err != nil {
		return nil, err
	} else if asked.ListUnsupported {
		return nil, status.Error(codes.Unimplemented, "this driver lists no snapshots")
	}
	files, err := os.ReadDir(d.pool.snapshot(""))
	if err != nil {
		return nil, internal(err)
	}
	var all []*csi.ListSnapshotsResponse_Entry
	for _, file := range files {
		id, isRecord := strings.CutSuffix(file.Name(), ".json")
		if !isRecord || (request.GetSnapshotId() != "" && request.GetSnapshotId() != id) {
			continue
		}
		var record snapshotRecord
		if found, err := read(d.pool.snapshot(id), &record); err != nil || !found {
			continue
		}
		if request.GetSourceVolumeId() == "" || request.GetSourceVolumeId() == record.Source {
			all = append(all, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshotOf(id, record)})
		}
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Snapshot.SnapshotId < all[b].Snapshot.SnapshotId })
	start := 0
	if token := request.GetStartingToken(); token != "" {
		if start, err = strconv.Atoi(token); err != nil || start < 0 || start > len(all) {
			return nil, status.Errorf(codes.Aborted, "the token %q is not ours", token)
		}
	}
	end, next := len(all), ""
	if most := int(request.GetMaxEntries()); most > 0 && start+most < end {
		end, next = start+most, strconv.Itoa(start+most)
	}
	return &csi.ListSnapshotsResponse{Entries: all[start:end], NextToken: next}, nil
}

// NodeGetInfo names the node.
func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

// NodeGetCapabilities tells that a volume is published in one step.
func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodePublishVolume bind-mounts a volume; done before is done.
func (d *driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetTargetPath() == "" || request.GetVolumeCapability() == nil {
		return nil, status.Error(codes.InvalidArgument, "volume id, target path and capability are needed")
	}
	if checked("volume", request.GetVolumeId()) != nil || !exists(d.pool.volume(request.GetVolumeId())) {
		return nil, status.Error(codes.NotFound, "the volume is not there")
	}
	target := request.GetTargetPath()
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, internal(err)
	}
	mounted, err := isMounted(target)
	if err != nil {
		return nil, internal(err)
	}
	if mounted {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := syscall.Mount(d.pool.volume(request.GetVolumeId()), target, "", syscall.MS_BIND, ""); err != nil {
		return nil, internal(err)
	}
	if request.GetReadonly() {
		flags := uintptr(syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY)
		if err := syscall.Mount("", target, "", flags, ""); err != nil {
			return nil, internal(errors.Join(err, syscall.Unmount(target, 0)))
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// NodeUnpublishVolume takes the mount away, also one that is not there.
func (d *driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetTargetPath() == "" {
		return nil, status.Error(codes.InvalidArgument, "volume id and target path are needed")
	}
	mounted, err := isMounted(request.GetTargetPath())
	if err != nil {
		return nil, internal(err)
	}
	if mounted {
		if err := syscall.Unmount(request.GetTargetPath(), 0); err != nil {
			return nil, internal(err)
		}
	}
	if err := os.Remove(request.GetTargetPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, internal(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func isMounted(path string) (bool, error) {
	bytes, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	for _, line := range strings.Split(string(bytes), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 4 && fields[4] == path {
			return true, nil
		}
	}
	return false, nil
}
