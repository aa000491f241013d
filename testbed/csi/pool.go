package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// volumeRecord is what is kept about a volume.
type volumeRecord struct {
	Capacity int64  `json:"capacity"`
	Snapshot string `json:"snapshot,omitempty"`
	Source   string `json:"source,omitempty"`
}

// snapshotRecord is what is kept about a snapshot.
type snapshotRecord struct {
	Source string    `json:"source"`
	Cut    time.Time `json:"cut"`
	Size   int64     `json:"size"`
	Ready  time.Time `json:"ready"`
	Never  bool      `json:"never,omitempty"`
}

// pool is a directory on btrfs with volumes and snapshots, each with a record beside it.
type pool struct {
	mutex sync.Mutex
	path  string
}

var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func openPool(path string) (*pool, error) {
	for _, part := range []string{"volumes", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(path, part), 0o700); err != nil {
			return nil, err
		}
	}
	return &pool{path: path}, nil
}

func (p *pool) volume(id string) string   { return filepath.Join(p.path, "volumes", id) }
func (p *pool) snapshot(id string) string { return filepath.Join(p.path, "snapshots", id) }

// free tells the bytes that are left.
func (p *pool) free() (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(p.path, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

func btrfs(arguments ...string) error {
	said, err := exec.Command("btrfs", append([]string{"subvolume"}, arguments...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("btrfs subvolume %v: %w: %s", arguments, err, said)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// read fills a record; false when there is none.
func read(path string, record any) (bool, error) {
	bytes, err := os.ReadFile(path + ".json")
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(bytes, record)
}

// write keeps a record, whole or not at all.
func write(path string, record any) error {
	bytes, err := json.Marshal(record)
	if err != nil {
		return err
	}
	temporary := path + ".json.new"
	if err := os.WriteFile(temporary, bytes, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path+".json")
}

// remove deletes a subvolume, then its record.
func remove(path string) error {
	if exists(path) {
		if err := btrfs("delete", path); err != nil {
			return err
		}
	}
	err := os.Remove(path + ".json")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// discard removes a subvolume that a killed driver left without its record.
func discard(path string) error {
	if exists(path) {
		return btrfs("delete", path)
	}
	return nil
}
