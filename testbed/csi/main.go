// Command csi is the testbed's CSI driver: volumes on btrfs, atomic snapshots, and faults on demand.
//
// A volume is a subvolume of the pool, a snapshot a read-only one, a volume from a snapshot a writable one. What must
// outlive a restart lies beside them as JSON. It serves the kubelet's plugin registration itself.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	endpoint := flag.String("endpoint", "", "unix socket of the driver")
	registrationSocket := flag.String("registration-socket", "", "unix socket for the kubelet's plugin registration")
	pool := flag.String("pool", "", "directory of a mounted btrfs")
	node := flag.String("node-id", "", "name of the node")
	control := flag.String("control", "", "file that asks for faults")
	name := flag.String("driver-name", "btrfs.csi.refloat.io", "name of the driver")
	flag.Parse()
	if *endpoint == "" || *pool == "" || *node == "" {
		log.Fatal("--endpoint, --pool and --node-id are needed")
	}
	store, err := openPool(*pool)
	if err != nil {
		log.Fatal(err)
	}
	d := &driver{name: *name, node: *node, pool: store, control: *control}
	server := grpc.NewServer(grpc.UnaryInterceptor(logged))
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterNodeServer(server, d)
	if *registrationSocket != "" {
		registrar := grpc.NewServer()
		registration.RegisterRegistrationServer(registrar, &registrarServer{name: *name, endpoint: *endpoint})
		go serve(registrar, *registrationSocket)
		defer registrar.Stop()
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.GracefulStop()
	}()
	serve(server, *endpoint)
}

func serve(server *grpc.Server, socket string) {
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, request)
	if err != nil {
		log.Printf("%s: %v", info.FullMethod, err)
	}
	return answer, err
}

type registrarServer struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

func (r *registrarServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              r.name,
		Endpoint:          r.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registrarServer) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("the kubelet refuses the driver: %s", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}
