package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	name, node, control string
	pool                *pool
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
