package main

import (
	"context"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

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
