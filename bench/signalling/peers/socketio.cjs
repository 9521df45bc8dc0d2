// The smallest signalling server that Socket.IO's own examples show: join a room, relay to the others in it.
const { Server } = require('socket.io');
const io = new Server(Number(process.argv[2]), { transports: ['websocket'], perMessageDeflate: false });
io.on('connection', socket => {
  socket.on('join', room => { socket.room = room; socket.join(room); socket.emit('joined', room); });
  socket.on('signal', data => socket.to(socket.room).emit('signal', data));
});
