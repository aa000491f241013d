package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
